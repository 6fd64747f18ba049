// What the packages' own type declarations offer: each method of the classes that ask the database, and its options.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const declarations = (name) => readFileSync(fileURLToPath(import.meta.resolve(name)).replace(/\.mjs$/, '.d.mts'), 'utf8').replaceAll(/\/\*\*[\s\S]*?\*\/|\(string & \{\}\)/g, '');

const postgrest = ['PostgrestBuilder', 'PostgrestTransformBuilder', 'PostgrestFilterBuilder', 'PostgrestQueryBuilder', 'PostgrestClient'];

/** Methods and options by the names that `watched.mjs` gives them. */
export function documented() {
  const text = declarations('@supabase/postgrest-js');
  const found = new Set(postgrest.flatMap((name) => members(body(text, name))));
  const client = members(body(declarations('@supabase/supabase-js'), 'SupabaseClient'));
  for (const name of client) if (/^(from|schema|rpc|getOpenApiSpec)\b/.test(name)) found.add(name);
  return found;
}

/** The text between a class's braces. */
function body(text, name) {
  const start = text.search(new RegExp(`^declare (?:abstract )?class ${name}\\b`, 'm'));
  if (start < 0) throw new Error(`the declarations have no class ${name}`);
  const open = text.indexOf('> {\n', start) + 3;
  return text.slice(open, text.indexOf('\n}\n', open));
}

/** Each member begins a line with two spaces; what goes on is deeper, or closes a brace. */
function members(text) {
  const found = [];
  for (const member of text.split(/\n(?= {2}[A-Za-z])/)) {
    const [, modifier, name] = /^\s*(protected |private |get )?(\w+)[<(]/.exec(member) ?? [];
    if (!name || name === 'constructor' || modifier === 'protected ' || modifier === 'private ') continue;
    found.push(name);
    for (const option of options(member.slice(member.indexOf(name) + name.length))) found.push(`${name}.${option}`);
  }
  return found;
}

/** Keys of the objects among a method's parameters, and the texts that they may be. */
function options(signature) {
  const start = skip(signature, 0, '<', '>');
  const parameters = signature.slice(start, skip(signature, start, '(', ')'));
  const found = [];
  for (const [, object] of parameters.matchAll(/\?: \{\n([^}]*)\n\s*\}/g)) {
    for (const [, name, type] of object.matchAll(/^\s*(\w+)\?: ([^;]+);/gm)) {
      if (type === 'undefined') continue;
      found.push(name, ...[...type.matchAll(/'(\w+)'/g)].map(([, value]) => `${name}=${value}`));
    }
  }
  return found;
}

/** Where the bracket that stands at `start` closes; `start` itself where none stands there. */
function skip(text, start, open, close) {
  if (text[start] !== open) return start;
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    if (text[at] === open) depth += 1;
    if (text[at] === close && text[at - 1] !== '=') depth -= 1;
    if (depth === 0) return at + 1;
  }
  return text.length;
}
