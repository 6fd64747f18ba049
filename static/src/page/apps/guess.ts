// What an app is, by its files: its runtime, what starts it, and what it lacks in a VM without a network.
import type { RuntimeName } from './apps.ts';

export interface Guess {
  name: string;
  /** Nothing where the files say nothing. */
  runtime?: RuntimeName;
  entry?: string;
  command?: string[];
  /** The folder whose files are the app, where it is not all of them; with a slash at its end. */
  root?: string;
  /** Why: what was found. */
  because?: string;
  /** What will not work as it is. */
  warnings: string[];
}

/** Files whose text a guess looks at, in the folder itself. */
export const read = ['package.json', 'requirements.txt', 'pyproject.toml', 'Procfile'];

interface Package {
  name?: string;
  main?: string;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

const nodeEntries = ['server.js', 'server.mjs', 'server.cjs', 'index.js', 'index.mjs', 'index.cjs', 'app.js', 'app.mjs', 'main.js', 'main.mjs', 'src/server.js', 'src/index.js', 'src/main.js', 'dist/server.js', 'dist/index.js', 'dist/main.js', 'build/index.js'];
const pythonEntries = ['main.py', 'app.py', 'server.py', 'run.py', 'wsgi.py', '__main__.py', 'src/main.py', 'src/app.py'];
/** Where builds of sites are. */
const builds = ['dist/', 'build/', 'out/', 'public/', '_site/'];

/** `folder` is what the files came in: a folder's or an archive's name. */
export function guess(paths: string[], texts: Record<string, string>, folder: string): Guess {
  const there = new Set(paths);
  const under = (start: string) => paths.some((path) => path.startsWith(start));
  const name = nameOf(folder);
  const manifest = parse(texts['package.json']);
  if (manifest) {
    const guessed = fromPackage(manifest, there, under);
    if (guessed) return { ...guessed, name: manifest.name ? nameOf(manifest.name) : name };
  }
  const python = fromPython(paths, there, texts, under);
  if (python) return { ...python, name };
  if (there.has('index.html')) return { name, runtime: 'static', because: 'index.html', warnings: [] };
  const bare = nodeEntries.find((entry) => there.has(entry));
  if (bare) return { name, runtime: 'node', entry: bare, because: bare, warnings: [] };
  const root = builds.find((build) => there.has(`${build}index.html`));
  if (root) return { name, runtime: 'static', root, because: `${root}index.html`, warnings: [] };
  const web = /^web:\s*(.+)$/m.exec(texts.Procfile ?? '')?.[1];
  if (web) return { name, runtime: 'command', command: split(web), because: 'Procfile', warnings: [] };
  const script = ['start.sh', 'run.sh'].find((file) => there.has(file));
  if (script) return { name, runtime: 'command', command: ['sh', script], because: script, warnings: [] };
  return { name, warnings: ['No file says how this app starts: there is no package.json, index.html or main.py. Choose below.'] };
}

function fromPackage({ main, scripts = {}, dependencies = {}, devDependencies = {} }: Package, there: Set<string>, under: (start: string) => boolean): Omit<Guess, 'name'> | undefined {
  const warnings: string[] = [];
  const installed = (name: string) => under(`node_modules/${name}/`);
  if (dependencies.next ?? devDependencies.next) {
    if (!under('.next/')) warnings.push('There is no .next folder: run `next build` first. The VM has no network to install and build with.');
    if (!installed('next')) warnings.push('node_modules has no next: install the packages first, so that they are sent with the app.');
    return { runtime: 'nextjs', because: 'package.json depends on next', warnings };
  }
  const start = scripts.start ?? '';
  const said = nodeEntry(start);
  const entry = [said, main].map((file) => file?.replace(/^\.\//, '')).map((file) => file && [file, `${file}.js`, `${file}/index.js`].find((known) => there.has(known))).find(Boolean)
    ?? nodeEntries.find((file) => there.has(file));
  const site = ['', ...builds].find((build) => there.has(`${build}index.html`));
  // A bundler's project: what it built is the app.
  const bundler = ['vite', 'react-scripts', 'parcel', 'astro', 'webpack', '@angular/cli', '@11ty/eleventy', 'gatsby'].find((name) => dependencies[name] ?? devDependencies[name]);
  if (bundler && !said && site !== undefined) {
    if (site === '') return { runtime: 'static', because: `a project of ${bundler}`, warnings: [`There is no build: run the build first, and send its folder. A browser cannot run what ${bundler} has not built.`] };
    return { runtime: 'static', root: site, because: `${site}index.html, built by ${bundler}`, warnings: [] };
  }
  if (entry) {
    const missing = Object.keys(dependencies).filter((name) => !installed(name));
    if (missing.length > 0) warnings.push(`node_modules lacks ${some(missing)}: install the packages first, so that they are sent with the app. The VM has no network to do it.`);
    if (start && !said) warnings.push(`The start script is “${start}”, which the VM does not run; ${entry} is started with Node instead.`);
    return { runtime: 'node', entry, because: said ? `the start script “${start}”` : `package.json and ${entry}`, warnings };
  }
  if (site !== undefined) return { runtime: 'static', ...(site && { root: site }), because: `${site}index.html`, warnings };
  return start ? { runtime: 'node', because: 'package.json', warnings: [`The start script is “${start}”, which names no file that is here. Say below which file Node runs.`] } : undefined;
}

/** The file in `NODE_ENV=production node --flag server.js argument`. */
function nodeEntry(script: string): string | undefined {
  const words = split(script);
  while (words[0] && /^[A-Za-z_]\w*=/.test(words[0])) words.shift();
  if (words.shift() !== 'node') return undefined;
  return words.find((word) => !word.startsWith('-'));
}

function fromPython(paths: string[], there: Set<string>, texts: Record<string, string>, under: (start: string) => boolean): Omit<Guess, 'name'> | undefined {
  const listed = texts['requirements.txt'];
  const project = listed !== undefined || texts['pyproject.toml'] !== undefined;
  const scripts = paths.filter((path) => /^[^/]+\.py$/.test(path));
  const known = pythonEntries.find((file) => there.has(file));
  const entry = known ?? (scripts.length === 1 ? scripts[0] : undefined);
  // One script beside a page is a site with a tool, unless its name says that it serves.
  if (!project && (!entry || (there.has('index.html') && !known))) return undefined;
  const needed = (listed ?? '').split(/\r?\n/).map((line) => /^\s*([A-Za-z0-9][A-Za-z0-9._-]*)/.exec(line)?.[1]).filter((name) => name !== undefined);
  const missing = needed.filter((name) => !under(`${name.toLowerCase().replaceAll('-', '_')}/`) && !under(`${name}/`));
  const warnings = missing.length > 0 ? [`The folder lacks ${some(missing)}: the VM has no network to install packages. Send them along: pip install --target . -r requirements.txt, with pure Python packages.`] : [];
  if (!entry) return { runtime: 'python', because: listed === undefined ? 'pyproject.toml' : 'requirements.txt', warnings: [...warnings, 'No file has a name that says it starts the app. Say below which one Python runs.'] };
  return { runtime: 'python', entry, because: entry, warnings };
}

const some = (names: string[]) => (names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', '));

function parse(text: string | undefined): Package | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text.replace(/^\ufeff/, ''));
    return typeof value === 'object' && value !== null ? (value as Package) : undefined;
  } catch {
    return undefined;
  }
}

/** An app's name made of any other. */
export function nameOf(text: string): string {
  const plain = text.replace(/\.zip$/i, '').replace(/^@[^/]+\//, '').normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
  return plain.replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '').slice(0, 63) || 'app';
}

/** A command line in words; quotes keep words together. */
export function split(line: string): string[] {
  return [...line.matchAll(/(?:[^\s"']|"(?:\\.|[^"\\])*"|'[^']*')+/g)].map(([word]) => word.replaceAll(/"((?:\\.|[^"\\])*)"|'([^']*)'/g, (_, double?: string, single?: string) => double?.replaceAll(/\\(.)/g, '$1') ?? single ?? ''));
}

/** Words as a command line that `split` reads the same. */
export const join = (words: string[]): string => words.map((word) => (/^[^\s"'\\]+$/.test(word) ? word : `"${word.replaceAll(/(["\\])/g, '\\$1')}"`)).join(' ');
