// The bundler of functions, with the packages that were built beside the Node host.
import { fileURLToPath } from 'node:url';
import { bundlerInNode, type NodeOptions } from '../functions/bundle/node.ts';
import type { Bundler } from '../functions/bundle/bundle.ts';

export { NotBundled, shown } from '../functions/bundle/bundle.ts';

export function bundler(options: Partial<NodeOptions> = {}): Bundler {
  return bundlerInNode({ folder: fileURLToPath(new URL('../functions/', import.meta.url)), catalogue: FUNCTION_PACKAGES, ...options });
}
