// wasm-bindgen's glue as a function: `import { instantiate } from 'glue:gateway'`.
//
// The glue keeps its instance in a module variable, so a page has one for ever. Wrapped in a function, each call has an
// instance of its own: one that died is thrown away with everything that pointed into it. What the glue calls by a
// global name and must be watched by us (`supervisor`, `queueMicrotask`) is an argument instead.
import { existsSync } from 'node:fs';
import path from 'node:path';
import * as esbuild from 'esbuild';

/** `generated` is where wasm-bindgen's `--target web` output is, one folder for each package. */
export const glue = (generated) => ({
  name: 'glue',
  setup(build) {
    build.onResolve({ filter: /^glue:/ }, ({ path: name }) => ({ path: name.slice('glue:'.length), namespace: 'glue' }));
    build.onLoad({ filter: /.*/, namespace: 'glue' }, async ({ path: name }) => {
      const file = path.join(generated, name, `${name}.js`);
      if (!existsSync(file)) throw new Error(`${file} is missing: run \`cargo xtask build\``);
      const { outputFiles } = await esbuild.build({
        entryPoints: [file], bundle: true, write: false, format: 'iife', globalName: 'glue', target: 'es2022',
        define: { 'import.meta.url': '""' }, logLevel: 'error',
      });
      const contents = `export function instantiate(supervisor) {
        const queueMicrotask = supervisor.queueMicrotask;
        ${outputFiles[0].text}
        return glue;
      }`;
      return { contents, loader: 'js', resolveDir: path.dirname(file), watchFiles: [file] };
    });
  },
});
