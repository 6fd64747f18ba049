// Vite's development server on the files beside it.
import { chmodSync } from 'node:fs';
import { createServer } from './node_modules/vite/dist/node/chunks/vite.js';

chmodSync('node_modules/@esbuild/linux-ia32/bin/esbuild', 0o755);
const server = await createServer({
  configFile: false,
  cacheDir: '/tmp/vite',
  // Nothing here is imported from packages: there is nothing to look for.
  optimizeDeps: { noDiscovery: true },
  server: { host: '0.0.0.0', port: Number(process.env.PORT), strictPort: true },
});
await server.listen();
console.log(`listening after ${Math.round(process.uptime())} s`);
