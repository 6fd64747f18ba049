// The S3 protocol with Amazon's own client, unmodified, against the real WASM.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import * as s3 from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { start } from '../node/server.mjs';
import { bytes, download, md5, token } from './files.mjs';

const client = (server, credentials = server.keys.s3, options = {}) => new s3.S3Client({
  endpoint: `${server.url}/storage/v1/s3`, region: 'local', forcePathStyle: true, credentials, maxAttempts: 1, ...options,
});
/** Sends a command; the status of its answer is in `$metadata`. */
const sender = (to) => (name, input = {}) => to.send(new s3[`${name}Command`](input));
const refused = (promise, status, name) => assert.rejects(promise, (error) => {
  assert.equal(error.$metadata?.httpStatusCode, status, `${error}`);
  if (name) assert.equal(error.name, name);
  return true;
});
const newBucket = () => `s3-${randomUUID().slice(0, 8)}`;

test('S3', async (t) => {
  const server = await start(t);
  const send = sender(client(server));
  const Bucket = newBucket();
  await send('CreateBucket', { Bucket });

  await t.test('buckets', async () => {
    const other = newBucket();
    const created = await send('CreateBucket', { Bucket: other, ACL: 'public-read' });
    assert.equal(created.Location, `/${other}`);
    await refused(send('CreateBucket', { Bucket: other }), 409, 'BucketAlreadyExists');
    const { Buckets } = await send('ListBuckets');
    const listed = Buckets.find(({ Name }) => Name === other);
    assert.ok(Math.abs(listed.CreationDate - Date.now()) < 60_000);
    assert.equal((await send('HeadBucket', { Bucket: other })).BucketRegion, 'local');
    // The client looks for the region in an element within; Amazon and storage-api have it in the root.
    assert.ok([undefined, 'local'].includes((await send('GetBucketLocation', { Bucket: other })).LocationConstraint));
    assert.equal((await send('GetBucketVersioning', { Bucket: other })).Status, 'Suspended');
    await send('PutObject', { Bucket: other, Key: 'a', Body: 'a' });
    await refused(send('DeleteBucket', { Bucket: other }), 409, 'ResourceNotEmpty');
    // What is public is so for the JSON API too.
    assert.equal(await (await server.fetch(`/storage/v1/object/public/${other}/a`)).text(), 'a');
    await send('DeleteObject', { Bucket: other, Key: 'a' });
    assert.equal((await send('DeleteBucket', { Bucket: other })).$metadata.httpStatusCode, 204);
    await refused(send('HeadBucket', { Bucket: other }), 404);
    await refused(send('ListObjectsV2', { Bucket: other }), 404, 'NoSuchBucket');
  });

  await t.test('objects come back as they went', async () => {
    const content = bytes(300_000);
    const Key = "folder/test!$&'() *+,:;=@ing.bin";
    const put = await send('PutObject', { Bucket, Key, Body: content, ContentType: 'text/plain', CacheControl: 'max-age=77', Metadata: { one: '1', two: 'b c' } });
    assert.equal(put.ETag, `"${md5(content)}"`);
    const got = await send('GetObject', { Bucket, Key });
    assert.ok(Buffer.from(await got.Body.transformToByteArray()).equals(content));
    assert.deepEqual([got.ContentType, got.CacheControl, got.ContentLength, got.ETag, got.Metadata], ['text/plain', 'max-age=77', content.length, put.ETag, { one: '1', two: 'b c' }]);
    const head = await send('HeadObject', { Bucket, Key });
    assert.deepEqual([head.ContentType, head.ContentLength, head.Metadata], ['text/plain', content.length, { one: '1', two: 'b c' }]);
    assert.ok((await download(server, Bucket, encodeURI(Key))).equals(content));
    assert.deepEqual((await send('GetObjectTagging', { Bucket, Key })).TagSet ?? [], []);
    await refused(send('HeadObject', { Bucket, Key: 'missing' }), 404);
    await refused(send('GetObject', { Bucket, Key: 'missing' }), 404, 'NoSuchKey');
    await assert.rejects(send('PutObject', { Bucket, Key: 'test[]^|ing', Body: 'x' }), /Invalid key: test\[\]\^\|ing/);
    await refused(send('PutObject', { Bucket: 'nowhere', Key: 'a', Body: 'x' }), 404, 'NoSuchBucket');
  });

  await t.test('parts of objects, and only what is new', async () => {
    const [Key, text] = ['ranged.txt', '0123456789abcdef'];
    const { ETag } = await send('PutObject', { Bucket, Key, Body: text });
    for (const [Range, part, said] of [['bytes=4-7', '4567', 'bytes 4-7/16'], ['bytes=4-', text.slice(4), 'bytes 4-15/16'], ['bytes=-5', 'bcdef', 'bytes 11-15/16']]) {
      const got = await send('GetObject', { Bucket, Key, Range });
      assert.deepEqual([await got.Body.transformToString(), got.ContentRange, got.$metadata.httpStatusCode], [part, said, 206]);
    }
    await refused(send('GetObject', { Bucket, Key, Range: 'bytes=16-' }), 416, 'InvalidRange');
    await refused(send('GetObject', { Bucket, Key, IfNoneMatch: ETag }), 304);
    await refused(send('GetObject', { Bucket, Key, IfModifiedSince: new Date(Date.now() + 5000) }), 304);
    await refused(send('GetObject', { Bucket, Key, IfMatch: '"other"' }), 412, 'PreconditionFailed');
    assert.equal(await (await send('GetObject', { Bucket, Key, IfMatch: ETag, IfNoneMatch: '"other"' })).Body.transformToString(), text);
    const expires = new Date('2030-01-01T00:00:00Z');
    const got = await send('GetObject', {
      Bucket, Key, ResponseCacheControl: 'no-store', ResponseContentDisposition: 'attachment; filename="a b.txt"', ResponseContentEncoding: 'identity',
      ResponseContentLanguage: 'en-US', ResponseContentType: 'application/x-own', ResponseExpires: expires,
    });
    assert.deepEqual([got.CacheControl, got.ContentDisposition, got.ContentEncoding, got.ContentLanguage, got.ContentType, got.ExpiresString],
      ['no-store', 'attachment; filename="a b.txt"', 'identity', 'en-US', 'application/x-own', expires.toUTCString()]);
  });

  await t.test('lists by page, by folder and from a key on', async () => {
    const keys = ['a', 'a/1', 'a/2', 'b/1', 'b/x/1', 'c', 'd/é'.normalize().replace('é', 'e')];
    const prefix = 'list/';
    for (const key of keys) await send('PutObject', { Bucket, Key: prefix + key, Body: key });
    const names = ({ Contents = [] }) => Contents.map(({ Key }) => Key.slice(prefix.length));
    const folders = ({ CommonPrefixes = [] }) => CommonPrefixes.map(({ Prefix }) => Prefix.slice(prefix.length));
    const all = await send('ListObjectsV2', { Bucket, Prefix: prefix });
    assert.deepEqual([names(all), all.KeyCount, all.IsTruncated], [keys, keys.length, false]);
    assert.deepEqual([all.Contents[0].Size, all.Contents[0].ETag, all.Contents[0].StorageClass], [1, `"${md5('a')}"`, 'STANDARD']);
    for (const Delimiter of [undefined, '/']) {
      for (const MaxKeys of [1, 2, 3]) {
        const seen = [];
        let ContinuationToken;
        do {
          const page = await send('ListObjectsV2', { Bucket, Prefix: prefix, Delimiter, MaxKeys, ContinuationToken });
          assert.ok(page.KeyCount <= MaxKeys);
          seen.push(...[...names(page), ...folders(page)].sort());
          ContinuationToken = page.NextContinuationToken;
          assert.equal(page.IsTruncated, ContinuationToken !== undefined);
        } while (ContinuationToken);
        assert.deepEqual(seen, Delimiter ? ['a', 'a/', 'b/', 'c', 'd/'] : keys, `${Delimiter} ${MaxKeys}`);
      }
    }
    const after = await send('ListObjectsV2', { Bucket, Prefix: prefix, Delimiter: '/', StartAfter: `${prefix}a/zzz` });
    assert.deepEqual([names(after), folders(after)], [['c'], ['b/', 'd/']]);
    assert.deepEqual(names(await send('ListObjectsV2', { Bucket, Prefix: prefix, StartAfter: `${prefix}b/1` })), ['b/x/1', 'c', 'd/e']);
    assert.deepEqual(folders(await send('ListObjectsV2', { Bucket, Prefix: prefix, Delimiter: 'x/' })), ['b/x/']);
    const first = await send('ListObjects', { Bucket, Prefix: prefix, Delimiter: '/', MaxKeys: 2 });
    assert.deepEqual([names(first), folders(first), first.IsTruncated, first.NextMarker], [['a'], ['a/'], true, `${prefix}a/`]);
    const second = await send('ListObjects', { Bucket, Prefix: prefix, Delimiter: '/', Marker: first.NextMarker });
    assert.deepEqual([names(second), folders(second)], [['c'], ['b/', 'd/']]);
    const encoded = await send('ListObjectsV2', { Bucket, Prefix: 'folder/', EncodingType: 'url' });
    assert.equal(decodeURIComponent(encoded.Contents[0].Key), "folder/test!$&'() *+,:;=@ing.bin");
    await refused(send('ListObjectsV2', { Bucket, ContinuationToken: 'nonsense' }), 400, 'InvalidParameter');
  });

  await t.test('copies, with its metadata or with others', async () => {
    await send('PutObject', { Bucket, Key: 'origin.txt', Body: 'origin', ContentType: 'text/plain', Metadata: { a: '1' } });
    const copied = await send('CopyObject', { Bucket, Key: 'copy.txt', CopySource: `${Bucket}/origin.txt` });
    assert.equal(copied.CopyObjectResult.ETag, `"${md5('origin')}"`);
    const same = await send('HeadObject', { Bucket, Key: 'copy.txt' });
    assert.deepEqual([same.ContentType, same.Metadata, same.ContentLength], ['text/plain', { a: '1' }, 6]);
    await send('CopyObject', { Bucket, Key: 'other.json', CopySource: `/${Bucket}/origin.txt`, MetadataDirective: 'REPLACE', ContentType: 'application/json', CacheControl: 'max-age=91', Metadata: { b: '2' } });
    const other = await send('HeadObject', { Bucket, Key: 'other.json' });
    assert.deepEqual([other.ContentType, other.CacheControl, other.Metadata], ['application/json', 'max-age=91', { b: '2' }]);
    await refused(send('CopyObject', { Bucket, Key: 'x', CopySource: `${Bucket}/missing` }), 404, 'NoSuchKey');
    await refused(send('CopyObject', { Bucket, Key: 'x', CopySource: `${Bucket}/origin.txt`, CopySourceIfMatch: '"other"' }), 412);
  });

  await t.test('deletes one and many, whether they are there or not', async () => {
    for (const Key of ['gone/1', 'gone/2']) await send('PutObject', { Bucket, Key, Body: 'x' });
    assert.equal((await send('DeleteObject', { Bucket, Key: 'gone/0' })).$metadata.httpStatusCode, 204);
    const deleted = await send('DeleteObjects', { Bucket, Delete: { Objects: [{ Key: 'gone/1' }, { Key: 'gone/2' }, { Key: 'gone/3 & more' }] } });
    assert.deepEqual([deleted.Deleted.map(({ Key }) => Key).sort(), deleted.Errors ?? []], [['gone/1', 'gone/2', 'gone/3 & more'], []]);
    await refused(send('HeadObject', { Bucket, Key: 'gone/1' }), 404);
    assert.equal((await send('DeleteObjects', { Bucket, Delete: { Objects: [{ Key: 'x' }], Quiet: true } })).Deleted, undefined);
    await refused(send('DeleteObject', { Bucket: 'nowhere', Key: 'x' }), 404, 'NoSuchBucket');
  });

  await t.test('puts an object together of parts', async () => {
    const Key = 'parts.bin';
    const parts = [bytes(400_000, 1), bytes(300_000, 2), bytes(10, 3)];
    const { UploadId } = await send('CreateMultipartUpload', { Bucket, Key, ContentType: 'application/x-parts', Metadata: { a: 'b' } });
    const of = { Bucket, Key, UploadId };
    const Parts = [];
    for (const [index, Body] of parts.entries()) Parts.push({ PartNumber: index + 1, ETag: (await send('UploadPart', { ...of, PartNumber: index + 1, Body })).ETag });
    assert.equal(Parts[0].ETag, `"${md5(parts[0])}"`);
    // Another part of the same number takes its place.
    Parts[2].ETag = (await send('UploadPart', { ...of, PartNumber: 3, Body: parts[2] })).ETag;
    const first = await send('ListParts', { ...of, MaxParts: 2 });
    assert.deepEqual([first.Parts.map(({ PartNumber, Size }) => [PartNumber, Size]), first.IsTruncated, first.NextPartNumberMarker], [[[1, 400_000], [2, 300_000]], true, '2']);
    const rest = await send('ListParts', { ...of, PartNumberMarker: first.NextPartNumberMarker });
    assert.deepEqual([rest.Parts.map(({ PartNumber }) => PartNumber), rest.IsTruncated], [[3], false]);
    await refused(send('CompleteMultipartUpload', { ...of, MultipartUpload: { Parts: [Parts[1], Parts[0]] } }), 400, 'InvalidPartOrder');
    await refused(send('CompleteMultipartUpload', { ...of, MultipartUpload: { Parts: [{ ...Parts[0], ETag: '"other"' }] } }), 400, 'InvalidPart');
    await refused(send('UploadPart', { ...of, Key: 'another', PartNumber: 1, Body: 'x' }), 404, 'NoSuchUpload');
    await refused(send('UploadPart', { ...of, PartNumber: 10_001, Body: 'x' }), 400, 'InvalidRequest');
    await refused(send('HeadObject', { Bucket, Key }), 404);
    const completed = await send('CompleteMultipartUpload', { ...of, MultipartUpload: { Parts } });
    assert.match(completed.ETag, /^"[0-9a-f]{32}-3"$/);
    assert.ok((await download(server, Bucket, Key)).equals(Buffer.concat(parts)));
    const head = await send('HeadObject', { Bucket, Key });
    assert.deepEqual([head.ContentType, head.Metadata, head.ContentLength], ['application/x-parts', { a: 'b' }, 700_010]);
    await refused(send('ListParts', of), 404, 'NoSuchUpload');
  });

  await t.test('copies parts, lists uploads and gives them up', async () => {
    await send('PutObject', { Bucket, Key: 'source.txt', Body: '0123456789abcdef' });
    const uploads = [];
    for (const Key of ['up/a', 'up/b', 'up/b', 'up/x/c']) uploads.push({ Key, UploadId: (await send('CreateMultipartUpload', { Bucket, Key })).UploadId });
    const of = { Bucket, ...uploads[0] };
    const copied = await send('UploadPartCopy', { ...of, PartNumber: 1, CopySource: `${Bucket}/source.txt`, CopySourceRange: 'bytes=4-9' });
    assert.equal(copied.CopyPartResult.ETag, `"${md5('456789')}"`);
    await refused(send('UploadPartCopy', { ...of, PartNumber: 2, CopySource: `${Bucket}/source.txt`, CopySourceRange: 'bytes=-5' }), 400, 'InvalidRange');
    const listed = await send('ListMultipartUploads', { Bucket, Prefix: 'up/' });
    assert.deepEqual(listed.Uploads.map(({ UploadId }) => UploadId), uploads.map(({ UploadId }) => UploadId));
    const seen = [];
    let [KeyMarker, UploadIdMarker] = [];
    do {
      const page = await send('ListMultipartUploads', { Bucket, Prefix: 'up/', MaxUploads: 1, KeyMarker, UploadIdMarker });
      seen.push(...page.Uploads.map(({ UploadId }) => UploadId));
      [KeyMarker, UploadIdMarker] = [page.NextKeyMarker, page.NextUploadIdMarker];
    } while (KeyMarker);
    assert.deepEqual(seen, uploads.map(({ UploadId }) => UploadId));
    const folded = await send('ListMultipartUploads', { Bucket, Prefix: 'up/', Delimiter: '/' });
    assert.deepEqual([folded.Uploads.length, folded.CommonPrefixes.map(({ Prefix }) => Prefix)], [3, ['up/x/']]);
    await send('CompleteMultipartUpload', { ...of, MultipartUpload: { Parts: [{ PartNumber: 1, ETag: copied.CopyPartResult.ETag }] } });
    assert.equal((await download(server, Bucket, 'up/a')).toString(), '456789');
    for (const upload of uploads.slice(1)) await send('AbortMultipartUpload', { Bucket, ...upload });
    assert.deepEqual((await send('ListMultipartUploads', { Bucket, Prefix: 'up/' })).Uploads ?? [], []);
  });

  await t.test('lib-storage streams in parts', async () => {
    const content = bytes(11_000_000, 5);
    const pieces = function* () { for (let at = 0; at < content.length; at += 100_000) yield content.subarray(at, at + 100_000); };
    const upload = new Upload({ client: client(server), params: { Bucket, Key: 'streamed.bin', Body: Readable.from(pieces()) }, partSize: 5 * 1024 * 1024 });
    await upload.done();
    assert.ok((await download(server, Bucket, 'streamed.bin')).equals(content));
  });

  await t.test('bodies come in chunks with a checksum behind them, and are what they say', async () => {
    const content = bytes(200_000, 8);
    for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'SHA1', 'SHA256']) {
      await send('PutObject', { Bucket, Key: `sum-${ChecksumAlgorithm}`, Body: Readable.from([content.subarray(0, 70_000), content.subarray(70_000)]), ContentLength: content.length, ChecksumAlgorithm });
      assert.ok((await download(server, Bucket, `sum-${ChecksumAlgorithm}`)).equals(content), ChecksumAlgorithm);
    }
    await refused(send('PutObject', { Bucket, Key: 'wrong', Body: 'hello', ChecksumCRC32: 'AAAAAA==' }), 400, 'BadDigest');
    await refused(send('PutObject', { Bucket, Key: 'wrong', Body: 'hello', ContentMD5: Buffer.alloc(16).toString('base64') }), 400, 'BadDigest');
    await refused(send('HeadObject', { Bucket, Key: 'wrong' }), 404);
  });

  await t.test('presigned addresses are good for what they name', async () => {
    const to = client(server);
    const put = await getSignedUrl(to, new s3.PutObjectCommand({ Bucket, Key: 'signed.txt', ContentType: 'text/plain' }), { expiresIn: 60 });
    assert.equal((await fetch(put, { method: 'PUT', body: 'signed', headers: { 'content-type': 'text/plain' } })).status, 200);
    const get = await getSignedUrl(to, new s3.GetObjectCommand({ Bucket, Key: 'signed.txt', ResponseContentType: 'text/x-own' }), { expiresIn: 60 });
    const got = await fetch(get);
    assert.deepEqual([await got.text(), got.headers.get('content-type')], ['signed', 'text/x-own']);
    for (const [wrong, status, code] of [
      [get.replace('signed.txt', 'origin.txt'), 403, 'SignatureDoesNotMatch'], [get.replace(/X-Amz-Expires=60/, 'X-Amz-Expires=600'), 403, 'SignatureDoesNotMatch'],
      [get.replace(/X-Amz-Date=\d{8}/, 'X-Amz-Date=20200101'), 400, 'InvalidSignature'], [get.split('?')[0], 403, 'AccessDenied'],
    ]) {
      const answer = await fetch(wrong);
      const text = await answer.text();
      assert.equal(answer.status, status, text);
      assert.match(text, new RegExp(`<Error><Resource>${Bucket}/[^<]+</Resource><Code>${code}</Code><Message>[^<]+</Message><RequestId>[0-9a-f]{16}</RequestId></Error>$`));
    }
  });

  await t.test('a form uploads what its policy allows', async () => {
    const post = async (fields, content, change = {}) => {
      const signed = await createPresignedPost(client(server), { Bucket, Key: 'form/${filename}', Expires: 300, ...fields });
      const form = new FormData();
      for (const [name, value] of Object.entries({ ...signed.fields, ...change })) form.set(name, value);
      form.set('file', new Blob([content], { type: 'text/plain' }), 'a.txt');
      return fetch(signed.url, { method: 'POST', body: form });
    };
    const Fields = { 'Content-Type': 'text/plain', 'X-Amz-Meta-Own': 'yes' };
    const done = await post({ Key: 'form/a.txt', Fields, Conditions: [['content-length-range', 1, 20]] }, 'from a form');
    assert.equal(done.status, 200, await done.text());
    const head = await send('HeadObject', { Bucket, Key: 'form/a.txt' });
    assert.deepEqual([head.ContentLength, head.ContentType, head.Metadata], [11, 'text/plain', { own: 'yes' }]);
    const long = await post({ Key: 'form/long.txt', Fields, Conditions: [['content-length-range', 1, 5]] }, 'from a form');
    assert.deepEqual([long.status, /<Code>(\w+)/.exec(await long.text())[1]], [400, 'EntityTooLarge']);
    assert.equal((await post({ Key: 'form/b.txt', Fields }, 'x', { key: 'elsewhere' })).status, 403);
    assert.equal((await post({ Key: 'form/b.txt', Fields }, 'x', { 'x-amz-meta-more': 'x' })).status, 403);
    await refused(send('HeadObject', { Bucket, Key: 'form/long.txt' }), 404);
  });

  await t.test('nobody else gets in', async () => {
    const wrong = (credentials, options) => sender(client(server, { ...server.keys.s3, ...credentials }, options))('ListBuckets');
    await refused(wrong({ secretAccessKey: 'other' }), 403, 'SignatureDoesNotMatch');
    await refused(wrong({ accessKeyId: 'other' }), 403, 'AccessDenied');
    await refused(wrong({}, { systemClockOffset: -3_600_000 }), 403, 'RequestTimeTooSkewed');
    await refused(wrong({}, { region: 'mars-1' }), 403, 'SignatureDoesNotMatch');
    assert.equal((await wrong({}, { region: 'us-east-1' })).$metadata.httpStatusCode, 200);
    assert.equal((await server.fetch('/storage/v1/s3')).status, 403);
    assert.equal((await server.fetch('/storage/v1/s3', { key: server.keys.secret })).status, 403);
  });

  await t.test('a session token is who it says, to the policies too', async () => {
    await server.sql(`create policy "own folder" on storage.objects for all to authenticated using (bucket_id = '${Bucket}' and (storage.foldername(name))[1] = auth.uid()::text)`);
    const user = token(server);
    const as = (jwt) => sender(client(server, { accessKeyId: 'default', secretAccessKey: server.keys.anon, sessionToken: jwt }));
    const own = as(user.jwt);
    const Key = `${user.sub}/a.txt`;
    await own('PutObject', { Bucket, Key, Body: 'mine' });
    assert.equal(await (await own('GetObject', { Bucket, Key })).Body.transformToString(), 'mine');
    assert.deepEqual((await own('ListObjectsV2', { Bucket })).Contents.map((object) => object.Key), [Key]);
    await refused(own('PutObject', { Bucket, Key: 'elsewhere.txt', Body: 'x' }), 403, 'AccessDenied');
    await refused(own('GetObject', { Bucket, Key: 'origin.txt' }), 404, 'NoSuchKey');
    await refused(own('CreateMultipartUpload', { Bucket, Key: 'elsewhere.txt' }), 403, 'AccessDenied');
    await refused(own('CreateBucket', { Bucket: newBucket() }), 403, 'AccessDenied');
    const deleted = await own('DeleteObjects', { Bucket, Delete: { Objects: [{ Key: 'origin.txt' }, { Key }] } });
    assert.deepEqual([deleted.Deleted.map((object) => object.Key), deleted.Errors.map(({ Key: key, Code }) => [key, Code])], [[Key], [['origin.txt', 'AccessDenied']]]);
    await refused(as(token(server).jwt)('GetObject', { Bucket, Key: 'origin.txt' }), 404);
    await assert.rejects(as(`${user.jwt}x`)('ListBuckets'));
    await assert.rejects(as(token(server, 'x', { exp: 1 }).jwt)('ListBuckets'));
  });

  await t.test('sizes are kept to', async () => {
    await server.sql(`update storage.buckets set file_size_limit = 100000 where id = '${Bucket}'`);
    await refused(send('PutObject', { Bucket, Key: 'large', Body: bytes(100_001) }), 413, 'EntityTooLarge');
    const { UploadId } = await send('CreateMultipartUpload', { Bucket, Key: 'large' });
    await send('UploadPart', { Bucket, Key: 'large', UploadId, PartNumber: 1, Body: bytes(60_000) });
    await refused(send('UploadPart', { Bucket, Key: 'large', UploadId, PartNumber: 2, Body: bytes(60_000) }), 413, 'EntityTooLarge');
  });
});
