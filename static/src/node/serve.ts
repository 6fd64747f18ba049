// `cargo xtask serve`: a Supabase API on a port, without a browser and without Docker.
import { openAsBlob, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { createHost, type Host } from './host.ts';
import { httpServer, type HttpServer } from './http.ts';
import { serveSockets } from './sockets.ts';

const usage = `cargo xtask serve [--port 54321] [--host 127.0.0.1] [--data DIR] [--restore FILE] [--config FILE]

  --port    where it listens; 0 takes any free port
  --host    the address it listens on; 0.0.0.0 lets other machines in
  --data    the folder of the database, made if it is not there; without it the database is in memory
  --restore a backup, as GET /gateway/backup gives it, that a new database begins as
  --config  a configuration file: PostgREST's settings (db-schemas = "public", …) and those of Supabase's
            config.toml by their whole names (auth.site_url = "…", storage.file_size_limit = "…")

GoTrue's own names (GOTRUE_SITE_URL, GOTRUE_MAILER_AUTOCONFIRM, …) are read from the environment.`;

/** What went wrong, for a person: no stack. */
class Stop extends Error {}

async function main(): Promise<void> {
  const { port, host: address, data, restore, config } = read(process.argv.slice(2));
  const begin = performance.now();
  const host = await createHost({
    ...(data !== undefined && { dataDir: path.resolve(data) }),
    ...(restore !== undefined && { restore: await backup(restore) }),
    ...(config !== undefined && { configText: text(config) }),
    config: environment(),
  });
  const http = httpServer((request) => host.handle(request));
  const { server } = http;
  serveSockets(server, host.connect);
  endOn(['SIGINT', 'SIGTERM'], http, host);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, resolve);
    });
  } catch (error) {
    await host.close();
    throw listening(error, port, address);
  }
  const keys = await host.keys();
  const bound = server.address();
  const url = `http://${address}:${typeof bound === 'object' && bound ? bound.port : port}`;
  const lines: [string, string | undefined][] = [
    ['API URL', url],
    ['REST URL', `${url}/rest/v1`],
    ['Publishable key', keys?.publishable],
    ['Secret key', keys?.secret],
    ['anon key', keys?.anon],
    ['service_role key', keys?.service_role],
    ['JWT secret', keys?.jwt_secret],
    ['S3 URL', keys && `${url}/storage/v1/s3`],
    ['S3 access key', keys?.s3_access_key_id],
    ['S3 secret key', keys?.s3_secret_access_key],
    ['Database', data === undefined ? 'in memory: gone when this ends' : path.resolve(data)],
  ];
  const { restored } = host;
  if (restored) {
    lines.push(['Restored', `project ${restored.project} as of ${restored.created_at}`]);
    // The key that opens them stayed where the backup was made.
    if (restored.secrets.names.length > 0) lines.push(['Set again', `the secrets ${restored.secrets.names.join(', ')}`]);
  }
  for (const [name, value] of lines) if (value !== undefined) console.log(`${name.padStart(16)}: ${value}`);
  console.log(`\nReady in ${((performance.now() - begin) / 1000).toFixed(1)} s. Ctrl-C ends it.`);
}

/** Before the first line is printed: who reads it may send a signal at once. */
function endOn(signals: NodeJS.Signals[], { end }: HttpServer, host: Host): void {
  const stop = () => {
    for (const signal of signals) process.off(signal, stop);
    process.once('SIGINT', () => process.exit(130));
    console.log('\nFinishing what is under way; Ctrl-C again ends it at once.');
    end().then(() => host.close()).then(() => process.exit(0), fail);
  };
  for (const signal of signals) process.on(signal, stop);
}

function read(args: string[]): { port: number; host: string; data?: string | undefined; restore?: string | undefined; config?: string | undefined } {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: { port: { type: 'string' }, host: { type: 'string' }, data: { type: 'string' }, restore: { type: 'string' }, config: { type: 'string' }, help: { type: 'boolean' } },
    }));
  } catch (error) {
    throw new Stop(`${(error as Error).message}\n\n${usage}`);
  }
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const port = Number(values.port ?? '54321');
  if (!/^\d+$/.test(values.port ?? '0') || port > 65_535) throw new Stop(`--port ${values.port} is no port: use a number from 0 to 65535.`);
  return { port, host: values.host ?? '127.0.0.1', data: values.data, restore: values.restore, config: values.config };
}

/** The settings that GoTrue would read from its environment. */
function environment(): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && (name.startsWith('GOTRUE_') || name === 'API_EXTERNAL_URL')) settings[name] = value;
  }
  return settings;
}

async function backup(file: string): Promise<Blob> {
  try {
    return await openAsBlob(file);
  } catch (error) {
    throw new Stop(`--restore ${file} cannot be read: ${(error as Error).message}`);
  }
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new Stop(`--config ${file}: there is no such file.`);
    throw new Stop(`--config ${file} cannot be read: ${(error as Error).message}`);
  }
}

function listening(error: unknown, port: number, address: string): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new Stop(`Port ${port} is in use: stop what uses it, or choose another one with --port (0 takes any).`);
    case 'EACCES':
      return new Stop(`Port ${port} needs more rights: choose one above 1023 with --port.`);
    case 'EADDRNOTAVAIL':
      return new Stop(`This machine has no address ${address}: use --host 127.0.0.1 or 0.0.0.0.`);
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new Stop(`There is no address ${address}: use --host 127.0.0.1 or 0.0.0.0.`);
    default:
      return error;
  }
}

function fail(error: unknown): never {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

main().catch(fail);
