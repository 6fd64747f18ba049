// What the page makes of an app's files and of its log, before and after the gateway has them.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';

const page = path.join(import.meta.dirname, '../../static/src/page');
const modules = await build({
  stdin: {
    contents: `export { guess, nameOf, split, join } from './apps/guess.ts'; export { fromInput, fromZip, under, texts } from './apps/files.ts'; export { pack } from './apps/zip.ts';
      export { openZip } from './apps/unzip.ts'; export { LogBuffer, asText, finds, pick, readLines } from './apps/logs.ts'; export { envProblem, readDotenv } from './apps/env.ts';
      export { fieldsOf, problems, settingsOf, blank } from './apps/fields.ts'; export { nameProblem } from './apps/apps.ts'; export { addRule, readRule } from './vm/rules.ts'; export { Events } from './vm/events.ts'; export { sentence } from './vm/tunnel.ts';
      export { zipSync, unzipSync, strToU8 } from 'fflate';`,
    resolveDir: page, loader: 'ts',
  },
  bundle: true, write: false, format: 'esm', platform: 'node',
});
globalThis.location = new URL('http://localhost:5173/');
const {
  addRule, asText, blank, envProblem, Events, fieldsOf, finds, fromInput, fromZip, guess, join, LogBuffer, nameOf, nameProblem, openZip, pack, pick, problems,
  readDotenv, readLines, readRule, sentence, settingsOf, split, strToU8, texts, under, unzipSync, zipSync,
} = await import(`data:text/javascript;base64,${Buffer.from(modules.outputFiles[0].contents).toString('base64')}`);

const json = (value) => JSON.stringify(value);

test('a guess by the files', () => {
  const cases = [
    // What is there; what it is.
    [['index.html', 'style.css'], {}, { runtime: 'static', warnings: 0 }],
    [['dist/index.html', 'README.md'], {}, { runtime: 'static', root: 'dist/', warnings: 0 }],
    [['package.json', 'server.js'], { 'package.json': json({ name: '@scope/My_Shop', scripts: { start: 'node server.js' } }) }, { name: 'my-shop', runtime: 'node', entry: 'server.js', warnings: 0 }],
    [['package.json', 'src/main.mjs'], { 'package.json': json({ scripts: { start: 'NODE_ENV=production node --enable-source-maps ./src/main.mjs --quiet' } }) }, { runtime: 'node', entry: 'src/main.mjs', warnings: 0 }],
    [['package.json', 'lib/index.js'], { 'package.json': json({ main: 'lib' }) }, { runtime: 'node', entry: 'lib/index.js', warnings: 0 }],
    [['package.json', 'app.js'], { 'package.json': `\ufeff${json({ main: 'app' })}` }, { runtime: 'node', entry: 'app.js', warnings: 0 }],
    // Packages that were not installed cannot be installed there.
    [['package.json', 'index.js'], { 'package.json': json({ dependencies: { express: '5' } }) }, { runtime: 'node', entry: 'index.js', warnings: 1 }],
    [['package.json', 'index.js', 'node_modules/express/index.js'], { 'package.json': json({ dependencies: { express: '5' } }) }, { runtime: 'node', entry: 'index.js', warnings: 0 }],
    [['package.json', 'index.js'], { 'package.json': json({ scripts: { start: 'tsx watch src/index.ts' } }) }, { runtime: 'node', entry: 'index.js', warnings: 1 }],
    [['package.json', 'src/index.ts'], { 'package.json': json({ scripts: { start: 'tsx src/index.ts' } }) }, { runtime: 'node', entry: undefined, warnings: 1 }],
    [['package.json', 'app/page.js'], { 'package.json': json({ dependencies: { next: '16' } }) }, { runtime: 'nextjs', warnings: 2 }],
    [['package.json', '.next/BUILD_ID', 'node_modules/next/package.json'], { 'package.json': json({ dependencies: { next: '16' } }) }, { runtime: 'nextjs', warnings: 0 }],
    // A bundler's project is its build.
    [['package.json', 'index.html', 'dist/index.html', 'src/main.tsx'], { 'package.json': json({ devDependencies: { vite: '7' } }) }, { runtime: 'static', warnings: 1 }],
    [['package.json', 'dist/index.html', 'src/main.tsx'], { 'package.json': json({ devDependencies: { vite: '7' } }) }, { runtime: 'static', root: 'dist/', warnings: 0 }],
    [['package.json', 'index.html'], { 'package.json': '{ not JSON' }, { runtime: 'static', warnings: 0 }],
    [['main.py'], {}, { runtime: 'python', entry: 'main.py', warnings: 0 }],
    [['requirements.txt', 'app.py'], { 'requirements.txt': 'Flask>=3\n# a comment\nJinja2' }, { runtime: 'python', entry: 'app.py', warnings: 1 }],
    [['requirements.txt', 'app.py', 'flask/__init__.py'], { 'requirements.txt': 'Flask>=3' }, { runtime: 'python', entry: 'app.py', warnings: 0 }],
    [['requirements.txt', 'a.py', 'b.py'], { 'requirements.txt': '' }, { runtime: 'python', entry: undefined, warnings: 1 }],
    [['only.py'], {}, { runtime: 'python', entry: 'only.py', warnings: 0 }],
    [['index.html', 'make.py'], {}, { runtime: 'static', warnings: 0 }],
    [['index.html', 'server.py'], {}, { runtime: 'python', entry: 'server.py', warnings: 0 }],
    [['server.js'], {}, { runtime: 'node', entry: 'server.js', warnings: 0 }],
    [['Procfile', 'bin/serve'], { Procfile: 'release: x\nweb: ./bin/serve --port "$PORT"' }, { runtime: 'command', command: ['./bin/serve', '--port', '$PORT'], warnings: 0 }],
    [['start.sh'], {}, { runtime: 'command', command: ['sh', 'start.sh'], warnings: 0 }],
    [['notes.txt'], {}, { runtime: undefined, warnings: 1 }],
    [[], {}, { runtime: undefined, warnings: 1 }],
  ];
  for (const [paths, files, expected] of cases) {
    const guessed = guess(paths, files, 'My Folder.zip');
    const found = { ...guessed, warnings: guessed.warnings.length };
    for (const [name, value] of Object.entries({ name: 'my-folder', ...expected })) assert.deepEqual(found[name], value, `${name} of ${paths}: ${json(guessed)}`);
  }
});

test('names', () => {
  for (const [text, name] of [['My Shop', 'my-shop'], ['@scope/pkg', 'pkg'], ['site-main.zip', 'site-main'], ['Crème brûlée', 'creme-brulee'], ['__', 'app'], ['日本', 'app'], ['x'.repeat(80), 'x'.repeat(63)]]) {
    assert.equal(nameOf(text), name);
    assert.equal(nameProblem(name), undefined, name);
  }
  for (const bad of ['', '-a', 'A', 'a_b', 'a.b', 'a/b', 'x'.repeat(64)]) assert.ok(nameProblem(bad), bad);
});

test('command lines are cut at blanks, except in quotes, and put together again', () => {
  for (const [line, words] of [['node a.js', ['node', 'a.js']], [`sh -c 'echo "a b"'`, ['sh', '-c', 'echo "a b"']], ['a "b \\"c\\"" d', ['a', 'b "c"', 'd']], ['a  ""', ['a', '']], ['', []]]) {
    assert.deepEqual(split(line), words, line);
    assert.deepEqual(split(join(words)), words, line);
  }
});

/** A file as a folder's input gives it. */
function file(name, content = name) {
  const made = new File([content], name.split('/').at(-1));
  Object.defineProperty(made, 'webkitRelativePath', { value: name });
  return made;
}
const paths = ({ files }) => files.map(({ path }) => path);

test('a chosen folder is cut from its paths; what is nobody’s is left', async () => {
  const picked = await fromInput([file('shop/server.js'), file('shop/.git/HEAD'), file('shop/src/a.js'), file('shop/.DS_Store'), file('shop/node_modules/x/index.js'), file('shop/.env')]);
  assert.equal(picked.folder, 'shop');
  assert.deepEqual(paths(picked), ['.env', 'node_modules/x/index.js', 'server.js', 'src/a.js']);
  assert.deepEqual(picked.left, ['.DS_Store', '.git']);
  assert.deepEqual(await texts(picked.files, ['server.js', 'a.js']), { 'server.js': 'shop/server.js' });
  assert.deepEqual(paths(under(picked, 'src/')), ['a.js']);
  // More than one at the top: nothing is cut.
  assert.deepEqual(paths(await fromInput([file('a/x.js'), file('b/y.js')])), ['a/x.js', 'b/y.js']);
});

const bytesOf = async (blob) => new Uint8Array(await blob.arrayBuffer());

test('what is packed is what was there, and the same each time', async () => {
  const big = new Uint8Array(3_000_000).map((_, index) => (index * 7919) >> 5);
  const files = [['empty.txt', new Uint8Array(0)], ['größe/ü.txt', strToU8('ü'.repeat(1000))], ['big.bin', big], ['picture.png', big.slice(0, 5000)]].map(([path, bytes]) => ({ path, size: bytes.length, open: async () => new Blob([bytes]) }));
  let last = 0;
  const packed = await pack(files, (read) => { assert.ok(read >= last); last = read; }, new AbortController().signal);
  assert.equal(last, files.reduce((sum, { size }) => sum + size, 0));
  const unpacked = unzipSync(await bytesOf(packed));
  assert.deepEqual(Object.keys(unpacked), files.map(({ path }) => path));
  for (const { path, open } of files) assert.deepEqual(Buffer.from(unpacked[path]), Buffer.from(await bytesOf(await open())), path);
  assert.deepEqual(await bytesOf(await pack(files, () => {}, new AbortController().signal)), await bytesOf(packed));
});

test('packing stops when it is told to, and names a file that cannot be read', async () => {
  const stop = new AbortController();
  const endless = { path: 'a', size: 1, open: async () => { stop.abort(new Error('Stopped')); return new Blob(['x']); } };
  await assert.rejects(pack([endless, endless], () => {}, stop.signal), /Stopped/);
  const gone = { path: 'src/gone.js', size: 1, open: async () => { throw new Error('NotFoundError'); } };
  await assert.rejects(pack([gone], () => {}, new AbortController().signal), /src\/gone\.js could not be read: NotFoundError/);
});

const zip = (files, options) => new Blob([zipSync(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, strToU8(text)])), options)]);

test('a zip is sent as it is, unless it wraps a folder or has what is unwanted', async () => {
  const plain = await fromZip(zip({ 'index.html': 'hello', 'a/b.css': 'x'.repeat(1000) }), 'site.zip');
  assert.ok(plain.zip);
  assert.deepEqual(await Promise.all(plain.files.map(async ({ path, size, open }) => [path, size, (await (await open()).text()).slice(0, 5)])), [['a/b.css', 1000, 'xxxxx'], ['index.html', 5, 'hello']]);
  const wrapped = await fromZip(zip({ 'repo-main/index.html': 'hello', 'repo-main/.git/HEAD': 'ref', '__MACOSX/repo-main/._index.html': '' }), 'x.zip');
  assert.equal(wrapped.zip, undefined);
  assert.equal(wrapped.folder, 'repo-main');
  assert.deepEqual(paths(wrapped), ['index.html']);
  assert.deepEqual(wrapped.left, ['.git', '__MACOSX']);
  assert.deepEqual(Object.keys(unzipSync(await bytesOf(await pack(wrapped.files, () => {}, new AbortController().signal)))), ['index.html']);
  const stored = await openZip(zip({ a: 'stored' }, { level: 0 }));
  assert.equal(await (await stored[0].open()).text(), 'stored');
});

test('what is no zip, or a damaged one, is said', async () => {
  await assert.rejects(openZip(new Blob(['nothing of the kind'])), /no zip archive/);
  await assert.rejects(openZip(new Blob([])), /no zip archive/);
  const good = await bytesOf(zip({ 'a.txt': 'x'.repeat(5000) }));
  const listed = good.slice();
  const list = Buffer.from(good).indexOf('PK\u0001\u0002');
  listed[list] = 0;
  await assert.rejects(openZip(new Blob([listed])), /list of files is damaged/);
  const torn = good.slice();
  torn.fill(0xff, 35, 45);
  const [entry] = await openZip(new Blob([torn]));
  await assert.rejects(entry.open(), /damaged at a\.txt/);
  const locked = good.slice();
  locked[list + 8] |= 1;
  await assert.rejects(openZip(new Blob([locked])), /encrypted/);
  const other = good.slice();
  other[list + 10] = 12;
  await assert.rejects(openZip(new Blob([other])), /method that is not read here \(12\)/);
});

test('lines of a log', () => {
  const cases = [
    [{ at: 5, stream: 'stderr', line: 'x' }, { at: 5, stream: 'stderr', text: 'x' }],
    [{ at: '2026-01-02T03:04:05.006Z', stream: 'stdout', line: '\u001b[1;31mred\u001b[0m\tend\r' }, { at: Date.UTC(2026, 0, 2, 3, 4, 5, 6), stream: 'stdout', text: 'red    end' }],
    [{ line: '\u001b]0;title\u0007x\u001b(B' }, { at: 0, stream: 'stdout', text: 'x' }],
    [{ at: 1 }, undefined],
    ['text', undefined],
    [null, undefined],
  ];
  for (const [given, expected] of cases) assert.deepEqual(readLines(json(given)), expected ? [expected] : [], json(given));
  assert.deepEqual(readLines('{'), []);
  assert.deepEqual(readLines(json({ at: 1, stream: 'stderr', line: 'x', dropped: 1200 })).map(({ stream, text }) => [stream, text]), [['agent', '1,200 lines came too fast, and were dropped'], ['stderr', 'x']]);
});

test('a log keeps its last lines, numbered', () => {
  const buffer = new LogBuffer(3);
  const line = (text, stream = 'stdout') => ({ at: 0, stream, text });
  buffer.push([line('one'), line('two')]);
  const before = buffer.lines;
  buffer.push([line('Three', 'stderr'), line('four')]);
  assert.notEqual(buffer.lines, before);
  assert.deepEqual(buffer.lines.map(({ number, text }) => [number, text]), [[1, 'two'], [2, 'Three'], [3, 'four']]);
  assert.equal(buffer.gone, 1);
  assert.deepEqual(pick(buffer.lines, { stream: 'stderr', search: '' }).map(({ text }) => text), ['Three']);
  assert.deepEqual(pick(buffer.lines, { stream: 'all', search: ' T' }).map(({ text }) => text), ['two', 'Three']);
  assert.equal(pick(buffer.lines, { stream: 'all', search: ' ' }), buffer.lines);
  assert.equal(asText(buffer.lines.slice(-1)), '- stdout four\n');
  buffer.clear();
  assert.deepEqual([buffer.lines, buffer.gone], [[], 0]);
});

test('what is sought is marked wherever it is', () => {
  for (const [text, search, parts] of [['an Anna', 'an', ['', 'an', ' ', 'An', 'na']], ['x', '', ['x']], ['x', 'y', ['x']], ['İstanbul i', 'i', ['İstanbul i']], ['a.b', '.', ['a', '.', 'b']]]) {
    assert.deepEqual(finds(text, search), parts, text);
    assert.equal(finds(text, search).join(''), text);
  }
});

test('an environment, typed or pasted', () => {
  assert.deepEqual(readDotenv(`# comment\nexport A=1\nB = "two words" \nC='it''s # not'\nD=x # why\nE=\n\nno assignment\n1F=x`), [
    { name: 'A', value: '1' }, { name: 'B', value: 'two words' }, { name: 'C', value: "it''s # not" }, { name: 'D', value: 'x' }, { name: 'E', value: '' },
  ]);
  for (const [variables, fault] of [[[], undefined], [[{ name: 'A', value: '' }], undefined], [[{ name: '1A', value: '' }], /no variable’s name/], [[{ name: '', value: 'x' }], /no name/], [[{ name: 'A', value: '' }, { name: 'A', value: '' }], /twice/]]) {
    if (fault) assert.match(envProblem(variables), fault);
    else assert.equal(envProblem(variables), undefined);
  }
});

test('settings go into a form and come out as they were', () => {
  const settings = { runtime: 'node', entry: 'server.js', port: 3000, env: { A: '1' }, limits: { memory_mib: 128, processes: 64 }, autostart: true, start_deadline_s: 30 };
  assert.deepEqual(settingsOf(fieldsOf(settings)), settings);
  const command = { runtime: 'command', command: ['sh', '-c', 'echo "a b"'], autostart: false };
  assert.deepEqual(settingsOf(fieldsOf(command)), command);
  // Nothing is sent of what was not said.
  assert.deepEqual(settingsOf({ ...blank, runtime: 'static', entry: 'left over' }), { runtime: 'static', autostart: false });
});

test('what cannot be sent is said at its field', () => {
  const fine = { ...blank, runtime: 'node', entry: 'server.js' };
  const cases = [
    [{}, []], [{ runtime: '' }, ['runtime']], [{ entry: ' ' }, ['entry']], [{ entry: '../x.js' }, ['entry']], [{ entry: '/x.js' }, ['entry']], [{ runtime: 'static', entry: '' }, []],
    [{ runtime: 'command', command: ' ' }, ['command']], [{ port: '80' }, ['port']], [{ port: '3000.5' }, ['port']], [{ port: '65535' }, []], [{ deadline: '0' }, ['deadline']], [{ memory: 'much' }, ['memory']],
    [{ processes: '5000' }, ['processes']], [{ env: [{ name: 'A B', value: '' }] }, ['env']], [{ env: [{ name: '', value: '' }] }, []],
  ];
  for (const [part, faults] of cases) assert.deepEqual(Object.keys(problems({ ...fine, ...part })), faults, json(part));
});

test('rules of the allow-list', () => {
  const cases = [
    ['api.example.com', 'api.example.com'], [' API.Example.com ', 'api.example.com'], ['*.example.com', '*.example.com'], ['*', '*'], ['https://example.com', 'https://example.com'],
    ['https://example.com/v1?x#y', 'https://example.com'], ['example.com:8443', 'example.com:8443'], ['localhost', 'localhost'], ['10.0.0.7', '10.0.0.7'],
    ['', /Write a host/], ['ftp://example.com', /Only http/], ['a*.example.com', /stands alone/], ['*.*', /stands alone/], ['*.com', /top-level/], ['ex ample', /no host/], ['-a.com', /no host/], ['user@example.com', /user name/],
    ['example.com:0', /no port/], ['example.com:99999', /no port/], ['exämple.com', /no host/], ['https://', /no host/],
  ];
  for (const [text, expected] of cases) {
    const read = readRule(text);
    if (expected instanceof RegExp) assert.match(read.fault ?? json(read), expected, text);
    else assert.equal(read.rule, expected, text);
  }
  assert.deepEqual(addRule(['a.com'], 'b.com'), { rules: ['a.com', 'b.com'] });
  assert.match(addRule(['a.com'], 'https://A.com').fault ?? 'added', /added/);
  assert.match(addRule(['a.com'], 'A.com').fault, /already/);
});

test('why a tunnel ended, in a sentence', () => {
  for (const [reason, said] of [['gone', 'gone'], ['', ''], ['503 Service Unavailable: {"code":"GW503","message":"No tab is open"}', 'No tab is open'], ['502 Bad Gateway: {', '502 Bad Gateway: {'], ['404: {"error":1}', '404: {"error":1}'], ['{"message":"an app said this"}', '{"message":"an app said this"}']]) assert.equal(sentence(reason), said);
});

test('server-sent events, cut anywhere', () => {
  const text = ': hello\n\ndata: 1\n\nevent: state\r\ndata: {"a":\r\ndata: 2}\r\n\r\nid: 7\nretry: 5\ndata\n\ndata:  x\rdata:y\r\revent: none\n\n';
  const expected = [{ event: 'message', data: '1' }, { event: 'state', data: '{"a":\n2}' }, { event: 'message', data: '' }, { event: 'message', data: ' x\ny' }];
  for (const size of [1, 2, 3, 7, text.length]) {
    const events = new Events();
    const messages = [];
    for (let at = 0; at < text.length; at += size) messages.push(...events.push(text.slice(at, at + size)));
    assert.deepEqual(messages, expected, `pieces of ${size}`);
  }
});
