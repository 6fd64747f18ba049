// A development server in the guest: its modules over the application's path, its changes over the WebSocket shim.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import * as esbuild from 'esbuild';
import { absent, filesOf, openMachine, program } from './harness.mjs';

const modules = path.join(import.meta.dirname, '../node_modules');

/**
 * Vite's server as one module in the place of its own, its pages' part as it is. Rollup stays out: its parser is native
 * code that i386 has not, and a development server parses with it only what is asked for in ways that nobody uses here.
 */
async function vite() {
  const bundled = await esbuild.build({
    stdin: { contents: 'export { createServer } from "vite"', resolveDir: import.meta.dirname }, bundle: true, minify: true, write: false, format: 'esm',
    platform: 'node', target: 'node20', logLevel: 'warning',
    banner: { js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);' },
    external: ['esbuild', 'rollup', 'lightningcss', 'fsevents', 'sass', 'sass-embedded', 'less', 'stylus', 'terser', 'tsx', 'jiti', 'yaml'],
    plugins: [{
      name: 'no-rollup',
      setup(build) {
        build.onResolve({ filter: /^rollup\/parseAst$/ }, ({ path }) => ({ path, namespace: 'none' }));
        build.onLoad({ filter: /./, namespace: 'none' }, () => ({ contents: 'const none = () => { throw new Error("there is no Rollup here"); }; export { none as parseAst, none as parseAstAsync };' }));
      },
    }],
  });
  // Vite's code asks for it when it runs.
  const picomatch = Object.entries(filesOf(path.join(modules, 'picomatch'))).map(([file, content]) => [`node_modules/picomatch/${file}`, content]);
  const pages = Object.entries(filesOf(path.join(modules, 'vite/dist/client'))).map(([file, content]) => [`node_modules/vite/dist/client/${file}`, content]);
  return {
    'node_modules/vite/package.json': readFileSync(path.join(modules, 'vite/package.json')),
    'node_modules/vite/dist/node/chunks/vite.js': bundled.outputFiles[0].contents,
    ...Object.fromEntries([...pages, ...picomatch]),
  };
}

/** esbuild, with its program for the guest's processor, which npm installs on such a machine only. */
function esbuildOfGuests() {
  const { version } = JSON.parse(readFileSync(path.join(modules, 'esbuild/package.json')));
  const folder = path.join(modules, '.cache/esbuild-linux-ia32', version);
  if (!existsSync(folder)) {
    const made = `${folder}.${process.pid}`;
    mkdirSync(made, { recursive: true });
    const archive = execFileSync('npm', ['pack', '--silent', `@esbuild/linux-ia32@${version}`], { cwd: made, encoding: 'utf8' }).trim();
    execFileSync('tar', ['xzf', archive, '--strip-components=1'], { cwd: made });
    rmSync(path.join(made, archive));
    renameSync(made, folder);
  }
  return Object.fromEntries([
    ...['package.json', 'bin/esbuild'].map((file) => [`node_modules/@esbuild/linux-ia32/${file}`, readFileSync(path.join(folder, file))]),
    ...['package.json', 'lib/main.js'].map((file) => [`node_modules/esbuild/${file}`, readFileSync(path.join(modules, 'esbuild', file))]),
  ]);
}

describe('Vite in the guest', { skip: absent, timeout: 600_000 }, () => {
  test('a page is served, and a change of its source reaches it without a reload', async (t) => {
    const machine = await openMachine();
    t.after(() => machine.close());
    await machine.install('node');
    const own = {
      'package.json': '{"type":"module"}',
      'index.html': '<!doctype html><html><head><title>vite</title><link rel="stylesheet" href="/src/look.css"></head><body><p id="said"></p><script type="module" src="/src/main.ts"></script></body></html>',
      'src/look.css': '#said { color: rgb(1, 2, 3); }\n',
      'src/main.ts': `import { said } from './said';
const show = (text: string) => { document.querySelector('#said')!.textContent = text; };
show(said);
Object.assign(window, { loads: ((window as { loads?: number }).loads ?? 0) + 1 });
import.meta.hot?.accept('./said', (changed) => show(changed!.said));
`,
      'src/said.ts': `export const said: string = 'one';\n`,
      'start.mjs': program('vite.mjs'),
    };
    const begun = performance.now();
    await machine.deploy('vite', { ...own, ...(await vite()), ...esbuildOfGuests() }, { runtime: 'node', entry: 'start.mjs', start_deadline_s: 300, limits: { memory_mib: 320 } });
    t.diagnostic(`bundled and deployed in ${Math.round(performance.now() - begun)} ms`);
    await machine.api('POST', '/apps/vite/start').catch(() => undefined);
    const app = await machine.until('vite', 'running', 'crashed');
    assert.equal(app.state, 'running', JSON.stringify(app));
    t.diagnostic(`running after ${Math.round(performance.now() - begun)} ms`);

    const tab = await machine.browser.newPage();
    const sockets = [];
    tab.on('websocket', (socket) => sockets.push(socket.url()));
    // Vite begins esbuild with the first module, which is ten megabytes to read there.
    await tab.goto(`${machine.gateway.url}/app/vite/`, { waitUntil: 'commit', timeout: 240_000 });
    await tab.waitForFunction(() => document.querySelector('#said')?.textContent === 'one', undefined, { timeout: 240_000 });
    t.diagnostic(`shown after ${Math.round(performance.now() - begun)} ms`);
    const color = () => tab.evaluate(() => getComputedStyle(document.querySelector('#said')).color);
    assert.equal(await color(), 'rgb(1, 2, 3)');

    // Vite tells of a change only whom it knows: the page's socket is open when its client says so.
    const changed = performance.now();
    const module = await machine.shell(`printf "export const said: string = 'two';\\n" > /app/src/said.ts`, 'vite');
    assert.equal(module.exit, 0, module.stderr);
    await tab.waitForFunction(() => document.querySelector('#said').textContent === 'two', undefined, { timeout: 60_000 });
    t.diagnostic(`a change arrived after ${Math.round(performance.now() - changed)} ms`);
    const style = await machine.shell('echo "#said { color: rgb(4, 5, 6); }" > /app/src/look.css', 'vite');
    assert.equal(style.exit, 0, style.stderr);
    await tab.waitForFunction(() => getComputedStyle(document.querySelector('#said')).color === 'rgb(4, 5, 6)', undefined, { timeout: 60_000 });
    assert.equal(await tab.evaluate(() => window.loads), 1, 'the page was not loaded anew');
    assert.deepEqual(sockets, [], 'no socket left the page');
  });
});
