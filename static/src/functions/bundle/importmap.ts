// Import maps, as HTML has them ("Import maps", resolve a module specifier), and what Deno adds: a package is also the
// folder of what is in it.

export interface ImportMap {
  imports: Entry[];
  scopes: { prefix: string; imports: Entry[] }[];
}

/** An address of `undefined` is one that was no address: whoever imports it is told. */
interface Entry { key: string; address: string | undefined }

export interface ImportMapSource {
  imports?: Record<string, unknown>;
  scopes?: Record<string, Record<string, unknown>>;
}

const isPackage = (address: string) => /^(npm|jsr):/.test(address);

const isRelative = (specifier: string) => /^(\/|\.\.?\/)/.test(specifier);

/** A specifier that is an address or leads to one from `base`; anything else is bare. */
function address(specifier: string, base: string): string | undefined {
  if (isPackage(specifier)) return specifier;
  if (isRelative(specifier)) return URL.canParse(specifier, base) ? new URL(specifier, base).href : undefined;
  return URL.canParse(specifier) ? new URL(specifier).href : undefined;
}

/** `base` is the address of the file that has the map. */
export function readImportMap(source: ImportMapSource, base: string): ImportMap {
  const scopes = Object.entries(source.scopes ?? {}).flatMap(([prefix, imports]) => {
    const place = URL.canParse(prefix, base) ? new URL(prefix, base).href : undefined;
    return place ? [{ prefix: place, imports: entries(imports, base) }] : [];
  });
  return { imports: entries(source.imports ?? {}, base), scopes: scopes.sort((a, b) => (a.prefix < b.prefix ? 1 : -1)) };
}

function entries(imports: Record<string, unknown>, base: string): Entry[] {
  const found = new Map<string, string | undefined>();
  for (const [key, value] of Object.entries(imports)) {
    found.set(address(key, base) ?? key, typeof value === 'string' ? address(value, base) : undefined);
  }
  for (const [key, value] of [...found]) {
    // `"hono": "npm:hono@4"` is `"hono/": "npm:hono@4/"` too.
    if (value && isPackage(value) && !key.endsWith('/') && !found.has(`${key}/`)) found.set(`${key}/`, `${value.replace(/\/$/, '')}/`);
  }
  // The longest key first: the most specific one decides.
  return [...found].map(([key, value]) => ({ key, address: value })).sort((a, b) => (a.key < b.key ? 1 : -1));
}

/** The address that the map, or the specifier itself, leads to; `undefined` for a bare one that the map lacks. */
export function throughMap(map: ImportMap, specifier: string, importer: string): string | undefined {
  const asked = address(specifier, importer) ?? specifier;
  const scopes = map.scopes.filter(({ prefix }) => prefix === importer || (prefix.endsWith('/') && importer.startsWith(prefix)));
  for (const list of [...scopes.map(({ imports }) => imports), map.imports]) {
    for (const { key, address: to } of list) {
      if (key === asked) return to;
      if (!key.endsWith('/') || !asked.startsWith(key) || !to?.endsWith('/')) continue;
      const rest = asked.slice(key.length);
      if (isPackage(to)) return to + rest;
      const found = URL.canParse(rest, to) ? new URL(rest, to).href : undefined;
      // Nothing leads out of the folder that the map names.
      return found?.startsWith(to) ? found : undefined;
    }
  }
  return asked === specifier && !URL.canParse(asked) ? undefined : asked;
}
