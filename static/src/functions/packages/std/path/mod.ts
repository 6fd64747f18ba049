// Deno's std/path; a function's paths are POSIX's.
import { basename, delimiter, dirname, extname, format, isAbsolute, join, normalize, parse, relative, resolve, sep } from 'node:path';

export { basename, dirname, extname, format, isAbsolute, join, normalize, parse, relative, resolve, delimiter, delimiter as DELIMITER, sep, sep as SEPARATOR, sep as SEP };
export const SEPARATOR_PATTERN = /\/+/;
export const SEP_PATTERN = SEPARATOR_PATTERN;

export function fromFileUrl(url: string | URL): string {
  const { protocol, pathname } = new URL(url);
  if (protocol !== 'file:') throw new TypeError(`This is the address of no file: ${url}`);
  return decodeURIComponent(pathname.replace(/%(?![0-9A-Fa-f]{2})/g, '%25'));
}

export function toFileUrl(path: string): URL {
  if (!isAbsolute(path)) throw new TypeError(`Only an absolute path has an address: ${path}`);
  const url = new URL('file:///');
  url.pathname = path.replaceAll('%', '%25').replaceAll('\\', '%5C');
  return url;
}

export const toNamespacedPath = (path: string) => path;

/** The longest folder that all paths are in, with a slash at its end; empty if there is none. */
export function common(paths: string[]): string {
  const [first = '', ...rest] = paths.map((path) => path.split('/'));
  const folders = (first || []).slice(0, -1);
  const same = folders.findIndex((folder, index) => rest.some((other) => other[index] !== folder || index >= other.length - 1));
  const shared = same < 0 ? folders : folders.slice(0, same);
  return shared.length ? `${shared.join('/')}/` : '';
}
