// Values as a console shows them, in Deno's manner.
import type { Thrown } from '../messages.ts';

const deepest = 4;
const most = 100;
const longest = 10_000;

/** What a console prints of its arguments: the first one's `%` directives take the next ones. */
export function format(values: unknown[]): string {
  const [first, ...rest] = values;
  let text: string;
  if (typeof first === 'string') {
    text = first.replace(/%([sdifjoOc%])/g, (all, directive: string) => {
      if (directive === '%') return '%';
      if (rest.length === 0) return all;
      const value = rest.shift();
      switch (directive) {
        case 's': return typeof value === 'string' ? value : inspect(value);
        case 'd':
        case 'i': return String(typeof value === 'bigint' ? value : Math.trunc(Number(value)));
        case 'f': return String(Number(value));
        case 'j': return JSON.stringify(value) ?? 'undefined';
        case 'c': return '';
        default: return inspect(value);
      }
    });
  } else text = values.length === 0 ? '' : inspect(first);
  const all = [text, ...rest.map((value) => (typeof value === 'string' ? value : inspect(value)))].join(' ');
  return all.length > longest ? `${all.slice(0, longest)}…` : all;
}

/** One value, on one line where that is short. */
export function inspect(value: unknown, _options?: unknown): string {
  return shown(value, 0, new Set());
}

/** What was thrown, whatever it is. */
export function thrown(error: unknown): Thrown {
  try {
    if (error instanceof Error || (typeof error === 'object' && error !== null && 'message' in error && 'stack' in error)) {
      const { name, message, stack, cause } = error as Error;
      const text = name && !String(message).startsWith(`${name}: `) ? `${name}: ${message}` : String(message);
      const whole = typeof stack === 'string' ? own(stack) : undefined;
      return { text, stack: cause === undefined ? whole : `${whole ?? text}\nCaused by: ${inspect(cause)}` };
    }
    return { text: `Uncaught ${inspect(error)}` };
  } catch {
    return { text: 'Something was thrown that cannot be looked at' };
  }
}

/** A stack without the frames that are not the function's: this runtime's, and Node's. */
const own = (stack: string) => stack.split('\n').filter((line) => !/^\s+at .*(node:internal|node:async_hooks|\bisolate-[0-9a-f]{12}\.|blob:)/.test(line)).join('\n');

function shown(value: unknown, depth: number, above: Set<object>): string {
  switch (typeof value) {
    case 'string': return depth === 0 ? JSON.stringify(value) : JSON.stringify(value);
    case 'bigint': return `${value}n`;
    case 'symbol': return String(value);
    case 'function': return /^class\b/.test(Function.prototype.toString.call(value)) ? `[class ${value.name || '(anonymous)'}]` : `[Function: ${value.name || '(anonymous)'}]`;
    case 'object': break;
    default: return Object.is(value, -0) ? '-0' : String(value);
  }
  if (value === null) return 'null';
  if (above.has(value)) return '[Circular]';
  try {
    above.add(value);
    return object(value, depth, above);
  } catch (error) {
    return `[${error instanceof Error ? error.name : 'Something'} was thrown while it was looked at]`;
  } finally {
    above.delete(value);
  }
}

function object(value: object, depth: number, above: Set<object>): string {
  const below = (inner: unknown) => shown(inner, depth + 1, above);
  if (value instanceof Error) {
    const extra = Object.keys(value).filter((key) => !['name', 'message', 'stack', 'cause'].includes(key));
    const fields = extra.length > 0 && depth < deepest ? ` ${wrap('{', extra.map((key) => `${name(key)}: ${below(Reflect.get(value, key))}`), '}', depth)}` : '';
    const cause = value.cause === undefined ? '' : `\nCaused by: ${below(value.cause)}`;
    return `${value.stack ? own(value.stack) : `${value.name}: ${value.message}`}${fields}${cause}`;
  }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (value instanceof Promise) return 'Promise';
  if (value instanceof URL) return `URL { ${value.href} }`;
  if (value instanceof ArrayBuffer) return `ArrayBuffer { byteLength: ${value.byteLength} }`;
  const type = kind(value);
  if (depth >= deepest) return Array.isArray(value) ? '[Array]' : `[${type || 'Object'}]`;
  if (Array.isArray(value)) return wrap('[', list(value, below), ']', depth);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const numbers = value as unknown as ArrayLike<number>;
    return `${type}(${numbers.length}) ${wrap('[', list(numbers, below), ']', depth)}`;
  }
  if (value instanceof Map) return `Map(${value.size}) ${wrap('{', list([...value], ([key, inner]) => `${below(key)} => ${below(inner)}`), '}', depth)}`;
  if (value instanceof Set) return `Set(${value.size}) ${wrap('{', list([...value], below), '}', depth)}`;
  if (value instanceof Headers) return `Headers ${wrap('{', [...value].map(([key, inner]) => `${name(key)}: ${below(inner)}`), '}', depth)}`;
  if (value instanceof Request) return `Request { method: ${below(value.method)}, url: ${below(value.url)} }`;
  if (value instanceof Response) return `Response { status: ${value.status}, url: ${below(value.url)} }`;
  const keys = Reflect.ownKeys(value).filter((key) => Object.getOwnPropertyDescriptor(value, key)?.enumerable);
  const fields = keys.slice(0, most).map((key) => {
    const own = Object.getOwnPropertyDescriptor(value, key)!;
    const inner = 'value' in own ? below(own.value) : own.get ? '[Getter]' : '[Setter]';
    return `${typeof key === 'symbol' ? `[${String(key)}]` : name(key)}: ${inner}`;
  });
  if (keys.length > most) fields.push(`… ${keys.length - most} more`);
  return `${type && type !== 'Object' ? `${type} ` : ''}${wrap('{', fields, '}', depth)}`;
}

function list<Item>(items: ArrayLike<Item>, each: (item: Item) => string): string[] {
  const parts = Array.from({ length: Math.min(items.length, most) }, (_, at) => each(items[at] as Item));
  if (items.length > most) parts.push(`… ${items.length - most} more`);
  return parts;
}

function wrap(open: string, parts: string[], close: string, depth: number): string {
  if (parts.length === 0) return open + close;
  const line = parts.join(', ');
  const space = open === '[' ? '' : ' ';
  if (line.length <= 72 && !line.includes('\n')) return `${open}${space || ' '}${line}${space || ' '}${close}`;
  const indent = '  '.repeat(depth + 1);
  return `${open}\n${parts.map((part) => indent + part).join(',\n')}\n${'  '.repeat(depth)}${close}`;
}

function kind(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null) return '[Object: null prototype]';
  const constructor: unknown = Reflect.get(prototype as object, 'constructor');
  return typeof constructor === 'function' ? constructor.name : '';
}

const name = (key: string) => (/^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key));
