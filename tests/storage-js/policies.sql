-- Each signed-in user has a folder of their own in the bucket `private`; in `open` anybody may read.
create policy "own folder, read" on storage.objects for select to authenticated
    using (bucket_id = 'private' and (storage.foldername(name))[1] = auth.uid()::text);
create policy "own folder, write" on storage.objects for insert to authenticated
    with check (bucket_id = 'private' and (storage.foldername(name))[1] = auth.uid()::text);
create policy "own folder, change" on storage.objects for update to authenticated
    using (bucket_id = 'private' and (storage.foldername(name))[1] = auth.uid()::text);
create policy "own folder, delete" on storage.objects for delete to authenticated
    using (bucket_id = 'private' and (storage.foldername(name))[1] = auth.uid()::text);
create policy "open, read" on storage.objects for select to anon using (bucket_id = 'open');
