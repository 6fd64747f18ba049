// `cargo xtask functions`: edge functions from a folder as Supabase's command line has them, to a gateway by HTTP.
import { existsSync } from 'node:fs';
import { readFile, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { calls, parts, Refused, type Call } from '../api/call.ts';
import { deployFunction, functionPath, isFunctionName, logLevels, type DeploySettings, type EdgeFunction, type FunctionLogLine, type Secret } from '../functions/functions.ts';
import { readConfig, settingsOf, starts, type FunctionConfig } from '../functions/layout.ts';
import type { Problem, SourceFiles } from '../functions/bundle/bundle.ts';
import { bundler, NotBundled, shown } from './bundler.ts';

const usage = `cargo xtask functions <command> [--url http://127.0.0.1:54321] [--key SECRET]

  deploy DIR [--name NAME …]  bundles and deploys the functions in DIR: a project with supabase/functions, that
                              folder itself, or one function's folder. config.toml's [functions.NAME] counts:
                              verify_jwt, import_map, entrypoint, static_files, enabled.
         [--no-verify-jwt]    lets requests without a token through, whatever config.toml says
         [--reload]           takes packages anew, where a deployment has the versions of the one before
  list                        what is deployed
  delete NAME
  logs NAME [--follow] [--tail 200] [--level warn] [--search TEXT]
  secrets [list]              names, and digests of the values
  secrets set NAME=VALUE …
  secrets unset NAME …

The secret key is what \`cargo xtask serve\` prints; $SUPABASE_SECRET_KEY has it too. Another project's URL ends in its name.`;

/** What went wrong, for a person: no stack. */
class Stop extends Error {}

async function main(): Promise<void> {
  const { values, positionals } = read(process.argv.slice(2));
  const [command, ...rest] = positionals;
  if (values.help || command === undefined || command === 'help') {
    console.log(usage);
    return;
  }
  const url = (values.url ?? process.env.SUPABASE_URL ?? 'http://127.0.0.1:54321').replace(/\/+$/, '');
  if (!URL.canParse(url)) throw new Stop(`This is no URL: ${url}`);
  const key = values.key ?? process.env.SUPABASE_SECRET_KEY;
  if (!key) throw new Stop('Whose secret key? --key has it, or $SUPABASE_SECRET_KEY.');
  const plain = calls(url);
  const call: Call = (at, init) => plain(at, { ...init, headers: { ...(init?.headers as Record<string, string> | undefined), apikey: key } });
  switch (command) {
    case 'deploy': return deploy(call, url, one(rest, 'which folder?'), values);
    case 'list': return list(call, url);
    case 'delete': {
      const name = one(rest, 'which function?');
      await call(functionPath(name), { method: 'DELETE' });
      console.log(`${name} is deleted.`);
      return undefined;
    }
    case 'logs': return logs(call, one(rest, 'whose logs?'), values);
    case 'secrets': return secrets(call, rest);
    default: throw new Stop(`There is no command ${JSON.stringify(command)}.\n\n${usage}`);
  }
}

type Options = ReturnType<typeof read>['values'];

function read(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        url: { type: 'string' }, key: { type: 'string' }, name: { type: 'string', multiple: true }, 'no-verify-jwt': { type: 'boolean' }, reload: { type: 'boolean' },
        follow: { type: 'boolean' }, tail: { type: 'string' }, level: { type: 'string' }, search: { type: 'string' }, help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new Stop(`${(error as Error).message}\n\n${usage}`);
  }
}

function one(rest: string[], otherwise: string): string {
  if (rest.length !== 1) throw new Stop(`${rest.length ? `Only one of ${rest.join(', ')}` : otherwise}\n\n${usage}`);
  return rest[0]!;
}

/** A folder with functions in it. */
interface Layout {
  /** What paths are relative to: the folder of config.toml. */
  root: string;
  /** Folders of functions below it, by name: `functions/hello/`, or empty for one that is the root itself. */
  functions: Record<string, string>;
  /** `[functions.NAME]`. */
  config: Record<string, FunctionConfig>;
}


async function layout(folder: string): Promise<Layout> {
  const given = path.resolve(folder);
  if (!(await stat(given).catch(() => undefined))?.isDirectory()) throw new Stop(`There is no folder ${given}.`);
  const candidates = [path.join(given, 'supabase'), given, path.basename(given) === 'functions' ? path.dirname(given) : undefined];
  const root = candidates.find((place) => place !== undefined && existsSync(path.join(place, 'functions')));
  if (root === undefined) {
    if (!starts.some((name) => existsSync(path.join(given, name)))) throw new Stop(`${given} has neither supabase/functions nor functions in it, and no index.ts.`);
    return { root: given, functions: { [path.basename(given)]: '' }, config: {} };
  }
  const file = path.join(root, 'config.toml');
  const config = existsSync(file) ? configOf(file, await readFile(file, 'utf8')) : {};
  const folders = (await readdir(path.join(root, 'functions'), { withFileTypes: true })).filter((entry) => entry.isDirectory() && /^[^_.]/.test(entry.name) && entry.name !== 'node_modules').map(({ name }) => name).sort();
  const withStart = folders.filter((name) => config[name]?.entrypoint !== undefined || starts.some((start) => existsSync(path.join(root, 'functions', name, start))));
  return { root, functions: Object.fromEntries([...withStart, ...Object.keys(config).filter((name) => !withStart.includes(name) && config[name]!.entrypoint !== undefined)].map((name) => [name, `functions/${name}/`])), config };
}

function configOf(file: string, toml: string): Layout['config'] {
  try {
    return readConfig(toml);
  } catch (error) {
    throw new Stop(`${file}: ${(error as Error).message}`);
  }
}

async function deploy(call: Call, url: string, folder: string, options: Options): Promise<void> {
  const { root, functions, config } = await layout(folder);
  const chosen = options.name ?? Object.keys(functions).filter((name) => config[name]?.enabled !== false);
  const unknown = chosen.filter((name) => !Object.hasOwn(functions, name));
  // One function's folder may have any name.
  const alone = Object.values(functions).includes('');
  if (unknown.length && !(alone && chosen.length === 1)) throw new Stop(`There is no function ${unknown.join(', ')} in ${root}: there are ${Object.keys(functions).join(', ') || 'none'}.`);
  if (!chosen.length) throw new Stop(`There is no function in ${path.join(root, 'functions')}.`);
  const wrong = chosen.filter((name) => !isFunctionName(name));
  if (wrong.length) throw new Stop(`A function's name begins with a letter, and has letters, digits, - and _, at most 48: not ${wrong.join(', ')}.`);
  const files = await gather(root, alone ? [''] : ['functions/'], Object.values(config));
  const bundles = bundler();
  let failed = false;
  for (const name of chosen) {
    const begin = performance.now();
    try {
      const { warnings, version, bytes } = await deployFunction(call, bundles, name, files, {
        ...settingsOf(alone ? '' : functions[name]!, config[name] ?? {}, Object.keys(files)), ...(options['no-verify-jwt'] && { verify_jwt: false }), ...(options.reload && { reload: true }),
      });
      for (const warning of warnings) console.error(`${name}: ${told(warning)}`);
      console.log(`${name}: version ${version}, ${(bytes / 1024).toFixed(1)} KB, in ${((performance.now() - begin) / 1000).toFixed(2)} s: ${url}/functions/v1/${name}`);
    } catch (error) {
      failed = true;
      if (error instanceof NotBundled) console.error(`${name} is not deployed:\n${error.problems.map(told).join('\n')}`);
      else if (error instanceof Refused) console.error(`${name} is not deployed: ${error.message}`);
      else throw error;
    }
  }
  if (failed) process.exitCode = 1;
}

/** What functions may be made of: their folders, and what config.toml names outside them, relative to `root`. */
async function gather(root: string, folders: string[], configs: FunctionConfig[]): Promise<SourceFiles> {
  const files: SourceFiles = {};
  const walk = async (at: string): Promise<void> => {
    for (const entry of await readdir(path.join(root, at), { withFileTypes: true })) {
      const name = at + entry.name;
      // Nothing hidden, and no packages that another program installed. A `.env` is for the bundler to tell of.
      if (entry.isDirectory()) {
        if (!entry.name.startsWith('.') && entry.name !== 'node_modules') await walk(`${name}/`);
      } else if ((await stat(path.join(root, name))).isFile()) files[name] = await readFile(path.join(root, name));
    }
  };
  const named = configs.flatMap(({ import_map, entrypoint, static_files = [] }) => [import_map, entrypoint, ...static_files]).filter((one) => one !== undefined && one !== '').map((one) => path.posix.normalize(one!));
  const outside = named.filter((one) => !one.startsWith('../') && !folders.some((folder) => one.startsWith(folder)));
  for (const folder of folders) await walk(folder);
  for (const one of outside) {
    const literal = /^[^*?{]*/.exec(one)![0];
    const place = literal === one ? one : literal.slice(0, literal.lastIndexOf('/') + 1);
    const found = await stat(path.join(root, place)).catch(() => undefined);
    if (found?.isDirectory()) await walk(place === '' || place.endsWith('/') ? place : `${place}/`);
    else if (found?.isFile()) files[place] = await readFile(path.join(root, place));
  }
  for (const name of ['deno.json', 'deno.jsonc', 'import_map.json', 'deno.lock']) {
    if (!Object.hasOwn(files, name) && existsSync(path.join(root, name))) files[name] = await readFile(path.join(root, name));
  }
  return files;
}

/** A problem, and the line it is in with the place marked. */
function told(problem: Problem): string {
  const { source, column = 1 } = problem;
  if (!source) return shown(problem);
  return `${shown(problem)}\n    ${source}\n    ${source.slice(0, column - 1).replace(/[^\t]/g, ' ')}^`;
}

async function list(call: Call, url: string): Promise<void> {
  const functions = (await (await call('/gateway/functions')).json()) as EdgeFunction[];
  if (!functions.length) console.log('No function is deployed.');
  for (const { name, version, verify_jwt, bytes, updated_at } of functions) {
    console.log(`${name.padEnd(24)} version ${String(version).padEnd(4)} ${(bytes / 1024).toFixed(1).padStart(8)} KB  ${updated_at}  ${verify_jwt ? 'with a token' : 'for anyone'}  ${url}/functions/v1/${name}`);
  }
}

async function logs(call: Call, name: string, { follow = false, tail = '200', level, search }: Options): Promise<void> {
  if (level !== undefined && !(logLevels as readonly string[]).includes(level)) throw new Stop(`A level is one of ${logLevels.join(', ')}, not ${level}.`);
  const query = new URLSearchParams({ tail, follow: String(follow), ...(level !== undefined && { level }), ...(search !== undefined && { search }) });
  for await (const { at, level: mark, message, stack } of parts<FunctionLogLine>(await call(functionPath(name, `/logs?${query}`)))) {
    console.log(`${new Date(at).toISOString()} ${mark.padEnd(5)} ${stack ?? message}`);
  }
}

async function secrets(call: Call, [action = 'list', ...rest]: string[]): Promise<void> {
  const send = (method: string, body: unknown) => call('/gateway/secrets', { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  switch (action) {
    case 'list': {
      const known = (await (await call('/gateway/secrets')).json()) as Secret[];
      if (!known.length) console.log('There are no secrets.');
      for (const { name, digest, updated_at } of known) console.log(`${name.padEnd(32)} ${digest}  ${updated_at}`);
      return;
    }
    case 'set': {
      const pairs = rest.map((one) => /^([^=]+)=([\s\S]*)$/.exec(one) ?? undefined);
      if (!pairs.length || pairs.includes(undefined)) throw new Stop(`Secrets are NAME=VALUE.\n\n${usage}`);
      await send('POST', Object.fromEntries(pairs.map((pair) => [pair![1]!, pair![2]!])));
      console.log(`${pairs.length} set.`);
      return;
    }
    case 'unset': {
      if (!rest.length) throw new Stop(`Which secrets?\n\n${usage}`);
      await send('DELETE', rest);
      console.log(`${rest.length} unset.`);
      return;
    }
    default: throw new Stop(`Secrets have no command ${JSON.stringify(action)}.\n\n${usage}`);
  }
}

main().then(
  // esbuild's program would be waited for.
  () => process.exit(),
  (error: unknown) => {
    const unreachable = error instanceof TypeError && (error.cause as Error | undefined);
    if (unreachable) console.error(`The gateway cannot be reached: ${unreachable.message}`);
    else console.error(error instanceof Stop || error instanceof Refused ? error.message : error);
    process.exit(1);
  },
);
