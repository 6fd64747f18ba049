// Folders of functions, as Supabase's command line has them: `functions/NAME/index.ts`, and config.toml beside `functions`.
import { parse } from 'smol-toml';
import type { DeploySettings } from './functions.ts';

/** `[functions.NAME]`; paths are relative to config.toml's folder. */
export interface FunctionConfig { enabled?: boolean; verify_jwt?: boolean; import_map?: string; entrypoint?: string; static_files?: string[] }

/** Names of a module to start at. */
export const starts = ['index.ts', 'index.tsx', 'index.js', 'index.jsx', 'index.mjs'];

const kinds: Record<keyof FunctionConfig, (value: unknown) => boolean> = {
  enabled: (value) => typeof value === 'boolean',
  verify_jwt: (value) => typeof value === 'boolean',
  import_map: (value) => typeof value === 'string',
  entrypoint: (value) => typeof value === 'string',
  static_files: (value) => Array.isArray(value) && value.every((one) => typeof one === 'string'),
};

/** What config.toml says of functions, by name. Throws an `Error` for a person where it cannot be read. */
export function readConfig(toml: string): Record<string, FunctionConfig> {
  const { functions = {} } = parse(toml) as { functions?: Record<string, FunctionConfig> };
  for (const [name, settings] of Object.entries(functions)) {
    for (const [key, isRight] of Object.entries(kinds)) {
      const value = settings[key as keyof FunctionConfig];
      if (value !== undefined && !isRight(value)) throw new Error(`[functions.${name}] ${key} is not what it should be: ${JSON.stringify(value)}`);
    }
  }
  return functions;
}

/** What one is deployed with. `folder` is its own, with a slash, or empty; `paths` are all files. */
export function settingsOf(folder: string, config: FunctionConfig, paths: string[]): DeploySettings {
  const entrypoint = config.entrypoint ?? starts.map((name) => folder + name).find((name) => paths.includes(name));
  return {
    folder,
    ...(entrypoint !== undefined && { entrypoint }),
    ...(config.import_map && { importMap: config.import_map }),
    ...(config.static_files && { staticFiles: config.static_files }),
    ...(config.verify_jwt !== undefined && { verify_jwt: config.verify_jwt }),
  };
}

export interface Layout {
  /** The part of the paths that all else is relative to: empty, or with a slash at its end. */
  root: string;
  /** Folders of functions below the root, by name; an empty one is the root itself. */
  functions: Record<string, string>;
}

/** Where functions are among files; nothing where there are none. `folder` is what the files were in. */
export function layoutOf(paths: string[], folder: string): Layout | undefined {
  // What is deepest is what is meant: a whole project has `supabase/functions`.
  const roots = [...new Set(paths.flatMap((path) => /^((?:.*\/)?)functions\/[^/]+\/[^/]+$/.exec(path)?.[1] ?? []))].sort((a, b) => Number(b.endsWith('supabase/')) - Number(a.endsWith('supabase/')) || a.length - b.length);
  for (const root of roots) {
    const found = new Set(paths.flatMap((path) => (path.startsWith(`${root}functions/`) ? /^functions\/([^_.][^/]*)\/([^/]+)$/.exec(path.slice(root.length)) : null) ?? []).filter((_, index) => index % 3 === 1));
    const functions = [...found].filter((name) => starts.some((start) => paths.includes(`${root}functions/${name}/${start}`)));
    if (functions.length) return { root, functions: Object.fromEntries(functions.sort().map((name) => [name, `functions/${name}/`])) };
  }
  if (starts.some((start) => paths.includes(start))) return { root: '', functions: { [folder]: '' } };
  // The folder `functions` itself was given.
  const inside = [...new Set(paths.flatMap((path) => /^([^_./][^/]*)\/([^/]+)$/.exec(path)?.slice(1, 2) ?? []))].filter((name) => starts.some((start) => paths.includes(`${name}/${start}`)));
  return inside.length ? { root: '', functions: Object.fromEntries(inside.sort().map((name) => [name, `${name}/`])) } : undefined;
}
