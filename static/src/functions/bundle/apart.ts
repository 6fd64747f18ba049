// A function's packages as a module of their own. It stays as it is while the function is worked on, so that whoever runs the
// function may have it compiled already.
//
// esbuild makes a module of what two entries share. The second entry is the function once more, `again`, and what is made of it is
// thrown away: both reach the packages, and nothing else is reached by both.
//
// Packages then run before all that is the user's, also those that are imported after some of it. Nobody can tell unless
// something happens where that runs, and the package could notice; then the function stays one module. Whether something happens
// is for esbuild to say: each of the user's modules is in the second entry alone as well, for nothing, as `effects`, and where
// nothing happens in it nothing is left of it.
import type { Metafile } from 'esbuild-wasm';

/** Namespaces in esbuild: of the user's own modules, and of the two other copies of each. */
export const own = 'function';
export const again = 'again';
export const effects = 'effects';

/** What is left of the function's second entry. */
export const second = 'again';

/** Less is compiled sooner than it is found. */
const worthwhile = 32 * 1024;

/** The output that has the packages; `undefined` where the function should be one module. */
export function packagesOf({ inputs, outputs }: Metafile, entrypoint: string, mayMove: (module: string) => boolean): string | undefined {
  const scripts = Object.keys(outputs).filter((path) => path.endsWith('.js'));
  const [index, copy] = ['index', second].map((name) => scripts.find((path) => path.endsWith(`/${name}.js`)));
  const others = scripts.filter((path) => path !== index && path !== copy);
  const [packages] = others;
  // There are more where something is imported only when it is needed.
  if (others.length !== 1 || outputs[packages!]!.bytes < worthwhile) return undefined;
  const left = outputs[copy!]!.inputs;
  const part = outputs[packages!]!.inputs;
  let happened = false;
  for (const module of inOrder(inputs, `${own}:${entrypoint}`)) {
    if (module.startsWith(`${own}:`)) happened ||= (left[`${effects}:${module.slice(own.length + 1)}`]?.bytesInOutput ?? 0) > 0;
    else if (happened && (part[module]?.bytesInOutput ?? 0) > 0 && !mayMove(module)) return undefined;
  }
  return packages;
}

/** Modules in the order in which they run. */
function inOrder(inputs: Metafile['inputs'], entry: string): string[] {
  const order: string[] = [];
  const seen = new Set([entry]);
  // Packages can be deep: no recursion.
  const open = [{ module: entry, next: 0 }];
  for (let top = open.at(-1); top; top = open.at(-1)) {
    const { imports } = inputs[top.module]!;
    const imported = imports[top.next++];
    if (!imported) {
      order.push(top.module);
      open.pop();
    } else if (imported.kind !== 'dynamic-import' && inputs[imported.path] && !seen.has(imported.path)) {
      seen.add(imported.path);
      open.push({ module: imported.path, next: 0 });
    }
  }
  return order;
}
