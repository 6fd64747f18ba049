// What the editor offers: what the runtime has under `Deno`, and what supabase-js has behind a dot.
import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete';

const method = (label: string, detail: string, info?: string): Completion => ({ label, type: 'method', detail, ...(info && { info }) });
const field = (label: string, detail: string, info?: string): Completion => ({ label, type: 'property', detail, ...(info && { info }) });

/** Members by what stands before the dot. */
const members: Record<string, Completion[]> = {
  Deno: [
    method('serve', '(handler | options, handler)', 'Answers this function’s requests.'), field('env', 'Env', 'The function’s environment: secrets, and SUPABASE_….'), method('upgradeWebSocket', '(request) → { socket, response }'),
    method('readTextFile', '(path) → Promise<string>', 'Reads a static file of this function.'), method('readFile', '(path) → Promise<Uint8Array>'), method('readTextFileSync', '(path) → string'), method('readFileSync', '(path) → Uint8Array'),
    method('cwd', '() → string'), method('exit', '(code?) → never'), field('version', '{ deno, v8, typescript }'), field('build', '{ os, arch, … }'), field('args', 'string[]'), field('pid', 'number'), field('errors', '{ NotFound, … }'), method('inspect', '(value, options?) → string'),
  ],
  'Deno.env': [method('get', '(name) → string | undefined'), method('has', '(name) → boolean'), method('toObject', '() → Record<string, string>')],
  EdgeRuntime: [method('waitUntil', '(promise)', 'Keeps the function alive until the promise settles, after its answer.')],
  Response: [method('json', '(value, init?) → Response'), method('redirect', '(url, status?) → Response'), method('error', '() → Response')],
  crypto: [method('randomUUID', '() → string'), method('getRandomValues', '(array) → array'), field('subtle', 'SubtleCrypto')],
  console: ['log', 'info', 'warn', 'error', 'debug'].map((label) => method(label, '(…values)')),
  request: [
    field('method', 'string'), field('url', 'string'), field('headers', 'Headers'), field('body', 'ReadableStream | null'), field('signal', 'AbortSignal'), method('json', '() → Promise<any>'), method('text', '() → Promise<string>'),
    method('formData', '() → Promise<FormData>'), method('arrayBuffer', '() → Promise<ArrayBuffer>'), method('blob', '() → Promise<Blob>'), method('clone', '() → Request'),
  ],
  'request.headers': [method('get', '(name) → string | null'), method('has', '(name) → boolean'), method('entries', '() → Iterator')],
  supabase: [
    method('from', '(table)'), method('schema', '(name)'), method('rpc', '(fn, args?, options?)'), field('auth', 'AuthClient'), field('storage', 'StorageClient'), field('functions', 'FunctionsClient'), method('channel', '(name, options?)'), method('removeChannel', '(channel)'),
  ],
  'supabase.auth': ['getUser', 'getClaims', 'getSession', 'signInWithPassword', 'signInWithOtp', 'signUp', 'signOut', 'verifyOtp', 'refreshSession', 'updateUser'].map((label) => method(label, '() → Promise<{ data, error }>')).concat(field('admin', 'createUser, deleteUser, listUsers, …')),
  'supabase.auth.admin': ['createUser', 'deleteUser', 'getUserById', 'listUsers', 'inviteUserByEmail', 'generateLink', 'updateUserById', 'signOut'].map((label) => method(label, '() → Promise<{ data, error }>')),
  'supabase.storage': [method('from', '(bucket)'), ...['listBuckets', 'getBucket', 'createBucket', 'updateBucket', 'emptyBucket', 'deleteBucket'].map((label) => method(label, '() → Promise<{ data, error }>'))],
  'supabase.functions': [method('invoke', '(name, options?)')],
};

/** Names that stand for the same. */
const aliases: Record<string, string> = { req: 'request', client: 'supabase', supabaseClient: 'supabase', supabaseAdmin: 'supabase', admin: 'supabase', db: 'supabase' };

const chain: Completion[] = [
  method('select', '(columns?, { count, head }?)'), method('insert', '(values, options?)'), method('upsert', '(values, { onConflict, … }?)'), method('update', '(values)'), method('delete', '()'),
  ...['eq', 'neq', 'gt', 'gte', 'lt', 'lte', 'like', 'ilike', 'is', 'in', 'contains', 'containedBy', 'overlaps'].map((label) => method(label, '(column, value)')),
  method('match', '({ column: value })'), method('not', '(column, operator, value)'), method('or', '(filters)'), method('filter', '(column, operator, value)'), method('textSearch', '(column, query, options?)'),
  method('order', '(column, { ascending, … }?)'), method('limit', '(count)'), method('range', '(from, to)'), method('single', '()'), method('maybeSingle', '()'), method('csv', '()'), method('explain', '(options?)'), method('abortSignal', '(signal)'), method('throwOnError', '()'),
  ...['upload', 'download', 'list', 'remove', 'move', 'copy', 'createSignedUrl', 'getPublicUrl'].map((label) => method(label, '(path, …)', 'Of a bucket.')),
];

const globals: Completion[] = [
  { label: 'Deno', type: 'namespace', detail: 'the runtime' }, { label: 'EdgeRuntime', type: 'namespace', detail: 'waitUntil' },
  ...['Request', 'Response', 'Headers', 'URL', 'URLSearchParams', 'FormData', 'Blob', 'File', 'ReadableStream', 'TransformStream', 'WritableStream', 'TextEncoder', 'TextDecoder', 'AbortController', 'WebSocket', 'CompressionStream'].map((label) => ({ label, type: 'class' })),
  ...['fetch', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'queueMicrotask', 'structuredClone', 'atob', 'btoa', 'addEventListener'].map((label) => ({ label, type: 'function' })),
  { label: 'crypto', type: 'variable' }, { label: 'console', type: 'variable' },
];

/** Specifiers that need no network. */
const specifiers: Completion[] = [
  ['jsr:@supabase/supabase-js@2', 'the client'], ['npm:@supabase/supabase-js@2', 'the client'], ['jsr:@supabase/functions-js/edge-runtime.d.ts', 'types of the runtime'], ['jsr:@hono/hono@4', 'a router'], ['npm:zod@4', 'checks values'], ['npm:jose@6', 'tokens and keys'],
  ['jsr:@std/encoding@1/base64', ''], ['jsr:@std/encoding@1/hex', ''], ['jsr:@std/path@1', ''], ['jsr:@std/assert@1', ''], ['jsr:@std/async@1', ''], ['node:crypto', ''], ['node:buffer', ''], ['node:stream', ''], ['node:process', ''],
].map(([label, detail]) => ({ label: label!, type: 'text', ...(detail && { detail }) }));

const imports = /(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"]*)$/;

/** `files` are the function's own, to be imported. */
export const offer = (files: () => string[]) => (context: CompletionContext): CompletionResult | null => {
  const line = context.state.doc.lineAt(context.pos);
  const before = line.text.slice(0, context.pos - line.from);
  const importing = imports.exec(before);
  if (importing) {
    const own = files().filter((path) => /\.[mc]?[jt]sx?$|\.json$/.test(path)).map((path): Completion => ({ label: `./${path}`, type: 'text' }));
    return { from: context.pos - importing[1]!.length, options: [...own, ...specifiers], validFor: /^[^'"]*$/ };
  }
  const dotted = /((?:[A-Za-z_$][\w$]*\s*\.\s*)*[A-Za-z_$][\w$]*|\))\s*(?:\?|!)?\.\s*([\w$]*)$/.exec(before) ?? (/^\s*\.([\w$]*)$/.exec(before) ? [before, ')', /([\w$]*)$/.exec(before)![1]!] : null);
  if (dotted) {
    const [, owner, typed] = dotted;
    const parts = owner!.split('.').map((part) => part.trim());
    const name = [aliases[parts[0]!] ?? parts[0], ...parts.slice(1)].join('.');
    const options = owner === ')' ? chain : Object.hasOwn(members, name) ? members[name]! : undefined;
    // The most used stand first, and not the alphabet's.
    return options ? { from: context.pos - typed!.length, options: options.map((option, index) => ({ ...option, boost: -Math.min(index, 99) })), validFor: /^[\w$]*$/ } : null;
  }
  const word = context.matchBefore(/[A-Za-z_$][\w$]*/);
  return word && (word.to > word.from || context.explicit) ? { from: word.from, options: globals, validFor: /^[\w$]*$/ } : null;
};
