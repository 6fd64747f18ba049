// storage-js from npm, unmodified: every method that its documentation shows, run against one project. The same cases
// run in Chromium through the service worker and in Node over `cargo xtask serve`; they expect `policies.sql`.
import { documented, recorded } from '../clients/recorded.mjs';
import { bad, good, matches, ok, same } from '../clients/expect.mjs';

/** The methods that no case calls, and why. */
export const excused = {
  'storage.getBucketLifecycle': 'expiry rules of versioned buckets: a preview of the hosted platform, which storage-api 1.70 has no path for',
  'storage.updateBucketLifecycle': 'as getBucketLifecycle',
  'storage.deleteBucketLifecycle': 'as getBucketLifecycle',
  'file.toBase64': 'no method of the API: makes a header of an upload',
};

/** Every method, as a run notes them. */
export const methods = (client, hidden) => [...documented(client, 'storage', { hidden }), ...documented(client.from('any'), 'file', { hidden })];

const text = (value) => new TextEncoder().encode(value);
const bytesOf = async (blob) => new Uint8Array(await blob.arrayBuffer());
const equalBytes = (a, b, what) => same([...a], [...b], what);

let number = 0;
/** A bucket of its own for a case. */
async function bucket(storage, options = {}) {
  const name = `case-${Date.now().toString(36)}-${number += 1}`;
  await good(`createBucket ${name}`, storage.createBucket(name, { public: false, ...options }));
  return name;
}

/** A PNG of one red pixel. */
export const pixel = Uint8Array.from(atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC'), (character) => character.charCodeAt(0));

export const cases = {
  'buckets: create, get, list, update, delete': async ({ service }) => {
    const name = `films-${Date.now().toString(36)}`;
    same(await good('create', service.createBucket(name, { public: true, fileSizeLimit: '1MB', allowedMimeTypes: ['image/png', 'text/*'] })), { name }, 'create');
    const made = await good('get', service.getBucket(name));
    same([made.id, made.name, made.public, made.file_size_limit, made.allowed_mime_types], [name, name, true, 1_000_000, ['image/png', 'text/*']], 'get');
    matches(made.created_at, /^\d{4}-\d\d-\d\dT/, 'created_at');
    ok((await good('list', service.listBuckets())).some(({ id }) => id === name), 'list has it');
    const found = await good('list, search', service.listBuckets({ search: name, limit: 1, offset: 0, sortColumn: 'name', sortOrder: 'desc' }));
    same(found.map(({ id }) => id), [name], 'list, search');
    same((await good('update', service.updateBucket(name, { public: false, fileSizeLimit: 2048, allowedMimeTypes: null }))).message, 'Successfully updated', 'update');
    const changed = await good('get again', service.getBucket(name));
    same([changed.public, changed.file_size_limit, changed.allowed_mime_types], [false, 2048, null], 'changed');
    await bad('create twice', service.createBucket(name), { statusCode: '409', message: 'The resource already exists' });
    same((await good('delete', service.deleteBucket(name))).message, 'Successfully deleted', 'delete');
    await bad('get, gone', service.getBucket(name), { statusCode: '404', message: 'Bucket not found' });
    await bad('update, gone', service.updateBucket(name, { public: true }), { statusCode: '404', message: 'Bucket not found' });
  },
  'a bucket with files is emptied, then deleted': async ({ service }) => {
    const name = await bucket(service);
    await good('upload', service.from(name).upload('a/b.txt', 'x'));
    await bad('delete, not empty', service.deleteBucket(name), { statusCode: '409', message: /not empty/ });
    matches((await good('empty', service.emptyBucket(name))).message, /Empty bucket has been queued/, 'empty');
    // The answer says that it is queued: the last file may go a moment later.
    for (const until = Date.now() + 10_000; ;) {
      if ((await good('list', service.from(name).list())).length === 0) break;
      ok(Date.now() < until, 'the bucket does not get empty');
    }
    await good('delete', service.deleteBucket(name));
  },
  'upload: every kind of body, read back byte for byte': async ({ service }) => {
    const files = service.from(await bucket(service));
    const bytes = Uint8Array.from({ length: 5000 }, (_, index) => (index * 7) % 256);
    const form = new FormData();
    form.append('', new Blob([bytes], { type: 'application/x-form' }), 'form.bin');
    const bodies = {
      string: ['häll☃', text('häll☃')],
      Blob: [new Blob([bytes], { type: 'application/x-blob' }), bytes],
      File: [new File([bytes], 'file.bin', { type: 'application/x-file' }), bytes],
      FormData: [form, bytes],
      ArrayBuffer: [bytes.buffer, bytes],
      Uint8Array: [bytes, bytes],
      DataView: [new DataView(bytes.buffer, 10, 100), bytes.subarray(10, 110)],
      URLSearchParams: [new URLSearchParams({ a: '1 2' }), text('a=1+2')],
      empty: [new Blob([]), new Uint8Array()],
      ...(typeof Buffer === 'undefined' ? {} : { Buffer: [Buffer.from(bytes), bytes], ReadableStream: [new Blob([bytes]).stream(), bytes] }),
    };
    for (const [kind, [body, expected]] of Object.entries(bodies)) {
      const answer = await good(kind, files.upload(`kinds/${kind}`, body, { ...(kind === 'ReadableStream' && { duplex: 'half' }) }));
      same([answer.path, answer.fullPath.endsWith(`/kinds/${kind}`)], [`kinds/${kind}`, true], kind);
      matches(answer.id, /^[0-9a-f-]{36}$/, `${kind}: id`);
      equalBytes(await bytesOf(await good(`${kind}, read`, files.download(`kinds/${kind}`))), expected, kind);
    }
    const types = Object.fromEntries((await good('list', files.list('kinds'))).map(({ name, metadata }) => [name, metadata.mimetype]));
    same([types.Blob, types.File, types.FormData, types.Uint8Array, types.string], ['application/x-blob', 'application/x-file', 'application/x-form', 'text/plain;charset=UTF-8', 'text/plain;charset=UTF-8'], 'types');
  },
  'upload: content type, cache control, metadata, upsert, update': async ({ service }) => {
    const files = service.from(await bucket(service));
    await good('upload', files.upload('a.json', '{"n":1}', { contentType: 'application/json', cacheControl: '60', metadata: { made: 'by hand', n: 1 } }));
    const info = await good('info', files.info('a.json'));
    same([info.name, info.contentType, info.cacheControl, info.size, info.metadata], ['a.json', 'application/json', 'max-age=60', 7, { made: 'by hand', n: 1 }], 'info');
    ok(info.bucketId && info.etag && info.lastModified && info.createdAt && info.id && info.version, `info has every field: ${JSON.stringify(info)}`);
    await bad('again', files.upload('a.json', 'x'), { statusCode: '409', message: 'The resource already exists' });
    await good('upsert', files.upload('a.json', '{"n":2}', { upsert: true, contentType: 'application/json' }));
    const second = await good('info', files.info('a.json'));
    ok(second.version !== info.version && second.id === info.id, 'the version is another, the object the same');
    await good('update', files.update('a.json', '{"n":3}', { contentType: 'application/json' }));
    same(await (await good('download', files.download('a.json'))).text(), '{"n":3}', 'the last one');
    await bad('no bucket', service.from('no-such-bucket').upload('a', 'x'), { statusCode: '404', message: 'Bucket not found' });
  },
  'upload: the limits of the bucket': async ({ service }) => {
    const files = service.from(await bucket(service, { fileSizeLimit: 1000, allowedMimeTypes: ['image/*', 'text/plain'] }));
    await bad('too large', files.upload('a.txt', 'x'.repeat(1001), { contentType: 'text/plain' }), { statusCode: '413', message: 'The object exceeded the maximum allowed size' });
    await good('just fits', files.upload('a.txt', 'x'.repeat(1000), { contentType: 'text/plain' }));
    await bad('type', files.upload('a.json', new Blob(['{}'], { type: 'application/json' }), { contentType: 'application/json' }), { statusCode: '415', message: /mime type application\/json is not supported/ });
    await good('wild card', files.upload('a.png', new Blob([pixel], { type: 'image/png' }), { contentType: 'image/png' }));
    same((await good('list', files.list())).map(({ name }) => name), ['a.png', 'a.txt'], 'what was refused left nothing');
  },
  'download: a blob, a stream, and what is not there': async ({ service }) => {
    const files = service.from(await bucket(service));
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
    await good('upload', files.upload('big.bin', new Blob([bytes], { type: 'application/octet-stream' })));
    equalBytes((await bytesOf(await good('blob', files.download('big.bin')))).slice(-100), bytes.slice(-100), 'blob');
    const { data: stream, error } = await files.download('big.bin').asStream();
    same(error, null, 'stream');
    let size = 0;
    for (const reader = stream.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
    }
    same(size, bytes.length, 'stream');
    const missing = await files.download('nothing.bin');
    ok(missing.error, 'what is not there is an error');
    await bad('info', files.info('nothing.bin'), { statusCode: '404', message: 'Object not found' });
  },
  'exists': async ({ service }) => {
    const files = service.from(await bucket(service));
    await good('upload', files.upload('here.txt', 'x'));
    same((await files.exists('here.txt')).data, true, 'there');
    same((await files.exists('gone.txt')).data, false, 'not there');
  },
  'list: folders, pages, order, search': async ({ service }) => {
    const files = service.from(await bucket(service));
    for (const [name, size] of [['b.txt', 2], ['a.txt', 3], ['c.txt', 1], ['folder/x.txt', 1], ['folder/deep/y.txt', 1], ['Folder2/z.txt', 1]]) await good(name, files.upload(name, 'x'.repeat(size)));
    const names = (entries) => entries.map(({ name }) => name);
    const all = await good('list', files.list());
    same(names(all).toSorted(), ['Folder2', 'a.txt', 'b.txt', 'c.txt', 'folder'], 'all');
    same(all.filter(({ id }) => id === null).map(({ name, metadata }) => [name, metadata]).toSorted(), [['Folder2', null], ['folder', null]], 'folders');
    const file = all.find(({ name }) => name === 'a.txt');
    same([file.metadata.size, file.metadata.contentLength, typeof file.metadata.eTag, file.metadata.httpStatusCode], [3, 3, 'string', 200], 'a file');
    same(names(await good('folder', files.list('folder'))).toSorted(), ['deep', 'x.txt'], 'a folder');
    same(names(await good('deep', files.list('folder/deep'))), ['y.txt'], 'a folder in a folder');
    const inOrder = (options) => good('order', files.list('', options)).then((entries) => names(entries.filter(({ id }) => id !== null)));
    same(await inOrder({ sortBy: { column: 'name', order: 'desc' } }), ['c.txt', 'b.txt', 'a.txt'], 'by name, descending');
    const pages = [...await good('page 1', files.list('', { limit: 2, offset: 0 })), ...await good('page 2', files.list('', { limit: 2, offset: 2 })), ...await good('page 3', files.list('', { limit: 2, offset: 4 }))];
    same(names(pages), names(all), 'pages');
    same(names(await good('search', files.list('', { search: 'b.' }))), ['b.txt'], 'search');
    same(await good('nothing', files.list('no/such/folder')), [], 'an unknown folder is empty');
  },
  'listV2: cursor, delimiter, order': async ({ service }) => {
    const files = service.from(await bucket(service));
    for (const name of ['a.txt', 'b.txt', 'd/e.txt', 'd/f/g.txt', 'z.txt']) await good(name, files.upload(name, 'x'));
    const flat = await good('flat', files.listV2({}));
    same([flat.hasNext, flat.folders, flat.objects.map(({ name }) => name)], [false, [], ['a.txt', 'b.txt', 'd/e.txt', 'd/f/g.txt', 'z.txt']], 'flat');
    const level = await good('delimiter', files.listV2({ with_delimiter: true }));
    same([level.folders.map(({ name }) => name), level.objects.map(({ name }) => name)], [['d/'], ['a.txt', 'b.txt', 'z.txt']], 'delimiter');
    const inside = await good('prefix', files.listV2({ prefix: 'd/', with_delimiter: true }));
    same([inside.folders.map(({ name }) => name), inside.objects.map(({ name }) => name)], [['d/f/'], ['d/e.txt']], 'prefix');
    const seen = [];
    let cursor;
    do {
      const page = await good('page', files.listV2({ limit: 2, ...(cursor && { cursor }) }));
      seen.push(...page.objects.map(({ name }) => name));
      cursor = page.hasNext ? page.nextCursor : undefined;
    } while (cursor);
    same(seen, ['a.txt', 'b.txt', 'd/e.txt', 'd/f/g.txt', 'z.txt'], 'pages');
    const backwards = await good('order', files.listV2({ sortBy: { column: 'name', order: 'desc' } }));
    same(backwards.objects[0].name, 'z.txt', 'backwards');
  },
  'move and copy, in a bucket and between two': async ({ service }) => {
    const [one, two] = [await bucket(service), await bucket(service)];
    const files = service.from(one);
    await good('upload', files.upload('a.txt', 'first', { contentType: 'text/plain', metadata: { n: 1 } }));
    same((await good('move', files.move('a.txt', 'sub/b.txt'))).message, 'Successfully moved', 'move');
    same((await files.exists('a.txt')).data, false, 'the old key is free');
    same((await good('copy', files.copy('sub/b.txt', 'c.txt'))).path, `${one}/c.txt`, 'copy');
    same((await good('copied info', files.info('c.txt'))).metadata, { n: 1 }, 'the metadata is copied');
    await good('copy elsewhere', files.copy('c.txt', 'd.txt', { destinationBucket: two }));
    await good('move elsewhere', files.move('c.txt', 'e.txt', { destinationBucket: two }));
    for (const name of ['d.txt', 'e.txt']) same(await (await good(name, service.from(two).download(name))).text(), 'first', name);
    same(await (await good('b', files.download('sub/b.txt'))).text(), 'first', 'the source of a copy stays');
    await bad('move what is not there', files.move('nothing', 'x'), { statusCode: '404', message: 'Object not found' });
    await bad('copy what is not there', files.copy('nothing', 'x'), { statusCode: '404', message: 'Object not found' });
    await bad('copy over another', service.from(two).copy('d.txt', 'e.txt'), { statusCode: '409', message: 'The resource already exists' });
  },
  'remove': async ({ service }) => {
    const files = service.from(await bucket(service));
    for (const name of ['a', 'b/c', 'd']) await good(name, files.upload(name, 'x'));
    same((await good('remove', files.remove(['a', 'b/c', 'nothing']))).map(({ name }) => name).toSorted(), ['a', 'b/c'], 'what was there');
    same((await good('list', files.list())).map(({ name }) => name), ['d'], 'what stays');
  },
  'signed URLs: one, with a name to download, and many': async ({ service, storageUrl }) => {
    const files = service.from(await bucket(service));
    await good('upload', files.upload('a b/ä.txt', 'signed', { contentType: 'text/plain' }).then((answer) => (answer.error ? files.upload('a b/a.txt', 'signed', { contentType: 'text/plain' }) : answer)));
    const [{ name }] = await good('list', files.list('a b'));
    const key = `a b/${name}`;
    const { signedUrl } = await good('sign', files.createSignedUrl(key, 60));
    ok(signedUrl.startsWith(`${storageUrl}/object/sign/`), signedUrl);
    const plain = await fetch(signedUrl);
    same([plain.status, await plain.text(), plain.headers.get('content-disposition')], [200, 'signed', null], 'fetch');
    const named = await fetch((await good('sign', files.createSignedUrl(key, 60, { download: 'other.txt' }))).signedUrl);
    matches(named.headers.get('content-disposition'), /^attachment; filename=/, 'download');
    const many = await good('many', files.createSignedUrls([key, 'nothing.txt'], 60));
    same(many.map(({ path, error }) => [path, error === null]), [[key, true], ['nothing.txt', false]], 'many');
    same(await (await fetch(many[0].signedUrl)).text(), 'signed', 'one of many');
    await bad('sign what is not there', files.createSignedUrl('nothing.txt', 60), { statusCode: '404', message: 'Object not found' });
    const short = await good('short', files.createSignedUrl(key, 1));
    const until = Date.now() + 10_000;
    let late = await fetch(short.signedUrl);
    while (late.ok && Date.now() < until) late = await fetch(short.signedUrl);
    same(late.status, 400, 'an expired one');
  },
  'signed upload URLs': async ({ service, anon }) => {
    const name = await bucket(service);
    const { token, path, signedUrl } = await good('sign', service.from(name).createSignedUploadUrl('inbox/a.txt'));
    same([path, new URL(signedUrl).searchParams.get('token') === token], ['inbox/a.txt', true], 'sign');
    same((await good('upload', anon.from(name).uploadToSignedUrl('inbox/a.txt', token, new Blob(['by anybody'], { type: 'text/plain' })))).path, 'inbox/a.txt', 'upload');
    same(await (await good('read', service.from(name).download('inbox/a.txt'))).text(), 'by anybody', 'read');
    await bad('elsewhere', anon.from(name).uploadToSignedUrl('inbox/b.txt', token, 'x'), { statusCode: /^40/ });
    await bad('twice, without upsert', service.from(name).createSignedUploadUrl('inbox/a.txt'), { statusCode: '409' });
    const again = await good('with upsert', service.from(name).createSignedUploadUrl('inbox/a.txt', { upsert: true }));
    await good('upload over', anon.from(name).uploadToSignedUrl('inbox/a.txt', again.token, 'new', { contentType: 'text/plain' }));
    same(await (await good('read', service.from(name).download('inbox/a.txt'))).text(), 'new', 'read');
  },
  'public URLs': async ({ service, anon }) => {
    const open = await bucket(service, { public: true });
    await good('upload', service.from(open).upload('a/b.txt', 'for all', { contentType: 'text/plain', cacheControl: '120' }));
    const answer = await fetch(anon.from(open).getPublicUrl('a/b.txt').data.publicUrl);
    same([answer.status, await answer.text(), answer.headers.get('content-type'), answer.headers.get('cache-control')], [200, 'for all', 'text/plain', 'max-age=120'], 'public');
    const named = await fetch(anon.from(open).getPublicUrl('a/b.txt', { download: 'c.txt' }).data.publicUrl);
    matches(named.headers.get('content-disposition'), /^attachment; filename=c\.txt;/, 'download');
    const closed = await bucket(service);
    await good('upload', service.from(closed).upload('a.txt', 'not for all'));
    same((await fetch(anon.from(closed).getPublicUrl('a.txt').data.publicUrl)).status, 400, 'a private bucket has no public URL that works');
  },
  'row-level security decides for users': async ({ anon, ada, ben, ids }) => {
    const mine = ada.from('private');
    await good('upload', mine.upload(`${ids.ada}/diary.txt`, 'dear diary', { upsert: true }));
    same(await (await good('read', mine.download(`${ids.ada}/diary.txt`))).text(), 'dear diary', 'read');
    same((await good('list', mine.list(ids.ada))).map(({ name }) => name), ['diary.txt'], 'list');
    same(await good('list', ben.from('private').list(ids.ada)), [], 'another sees nothing');
    for (const [who, client] of Object.entries({ ben, anon })) {
      ok((await client.from('private').download(`${ids.ada}/diary.txt`)).error, `${who} reads`);
      await bad(`${who} signs`, client.from('private').createSignedUrl(`${ids.ada}/diary.txt`, 60), { statusCode: '404', message: 'Object not found' });
      await bad(`${who} writes`, client.from('private').upload(`${ids.ada}/x.txt`, 'x'), { statusCode: '403', message: 'new row violates row-level security policy' });
      ok((await client.from('private').move(`${ids.ada}/diary.txt`, `${ids.ben}/diary.txt`)).error, `${who} moves`);
      same((await client.from('private').remove([`${ids.ada}/diary.txt`])).data ?? [], [], `${who} removes`);
    }
    await bad('ada writes into ben’s folder', mine.upload(`${ids.ben}/x.txt`, 'x'), { statusCode: '403', message: 'new row violates row-level security policy' });
    same(await good('buckets of a user', ada.listBuckets()), [], 'a user sees no bucket without a policy');
    await bad('a user makes a bucket', ada.createBucket('mine'), { statusCode: '403', message: 'new row violates row-level security policy' });
    same((await good('remove', mine.remove([`${ids.ada}/diary.txt`]))).length, 1, 'the owner removes');
  },
  'purge of the cache is for the service key': async ({ service, ada }) => {
    const name = await bucket(service);
    await good('upload', service.from(name).upload('a.txt', 'x'));
    for (const [what, client] of [['service', service], ['user', ada]]) {
      const [one, whole] = [await client.from(name).purgeCache('a.txt'), await client.purgeBucketCache(name)];
      if (what === 'service') same([one.error, whole.error, one.data.message], [null, null, 'success'], what);
      else ok(one.error && whole.error, 'a user purges');
    }
  },
  'the client’s own: setHeader, throwOnError': async ({ service, another }) => {
    const name = await bucket(service);
    same((await good('setHeader', another().setHeader('x-case', 'one').getBucket(name))).id, name, 'setHeader');
    same((await good('setHeader', service.from(name).setHeader('x-case', 'one').list())).length, 0, 'setHeader on files');
    const thrown = (run) => run().then(() => undefined, (error) => error.message);
    same(await thrown(() => service.from(name).throwOnError().info('nothing')), 'Object not found', 'throwOnError on files');
    same(await thrown(() => another().throwOnError().getBucket('nothing')), 'Bucket not found', 'throwOnError');
  },
};

/** Clients by who they are; what they call is noted in `called`. */
export function clients({ StorageClient, storageUrl, keys, tokens, called }) {
  const client = (key, token) => recorded(new StorageClient(storageUrl, { apikey: key, Authorization: `Bearer ${token ?? key}` }), 'storage', called, { given: { from: { prefix: 'file' } } });
  const users = Object.fromEntries(Object.entries(tokens).map(([name, token]) => [name, client(keys.publishable, token)]));
  return { service: client(keys.secret), another: () => client(keys.secret), anon: client(keys.publishable), ...users };
}
