// PGlite's table of the files it keeps in OPFS, read as PGlite reads it: a tree, a pool of empty files, and a journal of
// what changed since.

export interface Table {
  root: Directory;
  pool: string[];
}
interface Directory {
  type: 'directory';
  children: Record<string, Directory | File>;
}
interface File {
  type: 'file';
  backingFilename: string;
}

/** A table without its journal; undefined if it is cut short, or none. */
export function parseTable(text: string | undefined): Table | undefined {
  try {
    const table = JSON.parse(text ?? '') as Table;
    return table.root.type === 'directory' && Array.isArray(table.pool) ? table : undefined;
  } catch {
    return undefined;
  }
}

/** Carries the journal's entries out. Throws at one that is damaged. */
export function replay(table: Table, journal: string[]): void {
  for (const line of journal) {
    if (line === '') continue;
    let entry: { opp: string; args: unknown[] };
    try {
      entry = JSON.parse(line);
    } catch (error) {
      throw new Error('The journal of its files is damaged.', { cause: error });
    }
    const [first, second] = entry.args as [string, never];
    const take = (name: string) => (table.pool = table.pool.filter((pooled) => pooled !== name));
    // An entry that does not apply failed when it was made, too.
    switch (entry.opp) {
      case 'createPoolFile':
        table.pool.push(first);
        break;
      case 'deletePoolFile':
        take(first);
        break;
      case 'mkdir':
        put(table, first, { type: 'directory', children: {} });
        break;
      case 'createFileNode':
        put(table, first, second);
        take((second as File).backingFilename);
        break;
      case 'rmdir':
        remove(table, first);
        break;
      case 'unlink': {
        const gone = remove(table, first);
        if (gone?.type === 'file') table.pool.push(gone.backingFilename);
        break;
      }
      case 'rename': {
        const moved = remove(table, first);
        if (moved) put(table, second, moved);
        break;
      }
    }
  }
}

/** Every file of the database by its path, and the file in OPFS that holds it. */
export function* filesOf(directory: Directory, path = ''): Generator<[path: string, backing: string]> {
  for (const [name, node] of Object.entries(directory.children)) {
    if (node.type === 'file') yield [path + name, node.backingFilename];
    else yield* filesOf(node, `${path}${name}/`);
  }
}

function put(table: Table, path: string, node: Directory | File): void {
  const [parent, name] = parentOf(table, path);
  if (parent) parent.children[name] = node;
}

function remove(table: Table, path: string): Directory | File | undefined {
  const [parent, name] = parentOf(table, path);
  const node = parent?.children[name];
  if (node) delete parent!.children[name];
  return node;
}

function parentOf(table: Table, path: string): [Directory | undefined, string] {
  const parts = path.split('/').filter(Boolean);
  const name = parts.pop() ?? '';
  let directory: Directory | undefined = table.root;
  for (const part of parts) {
    const node: Directory | File | undefined = directory?.children[part];
    directory = node?.type === 'directory' ? node : undefined;
  }
  return [directory, name];
}
