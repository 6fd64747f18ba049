// Deno's std/assert, of what functions use; what differs is shown as JSON.
export class AssertionError extends Error {
  override name = 'AssertionError';
}

const shown = (value: unknown): string => {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function' || typeof value === 'symbol' || value === undefined) return String(value);
  try {
    return JSON.stringify(value, (_key, part: unknown) => (part instanceof Map ? [...part] : part instanceof Set ? [...part] : typeof part === 'bigint' ? `${part}n` : part), 2);
  } catch {
    return String(value);
  }
};

const fails = (why: string, message?: string): never => {
  throw new AssertionError(message ? `${why}: ${message}` : `${why}.`);
};

export function assert(value: unknown, message = ''): asserts value {
  if (!value) throw new AssertionError(message);
}
export const assertFalse = (value: unknown, message?: string) => void (value && fails('Expected a falsy value', message));
export const assertExists = (value: unknown, message?: string) => void ((value === undefined || value === null) && fails(`Expected a value, got ${shown(value)}`, message));

/** The same shape and the same values, as far as they have any: `NaN` is `NaN`, and the order of a set or of keys does not count. */
export function equal(a: unknown, b: unknown, above: [unknown, unknown][] = []): boolean {
  if (Object.is(a, b) || (a === 0 && b === 0)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (above.some(([left, right]) => left === a && right === b)) return true;
  const inner: [unknown, unknown][] = [...above, [a, b]];
  if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime());
  if (a instanceof RegExp || a instanceof URL) return String(a) === String(b);
  if (a instanceof Map || a instanceof Set) {
    const [left, right] = [[...a], [...(b as Set<unknown>)]];
    if (left.length !== right.length) return false;
    const free = new Set(right);
    return left.every((one) => {
      const match = [...free].find((other) => equal(one, other, inner));
      return match !== undefined ? free.delete(match) : free.has(one) && free.delete(one);
    });
  }
  const keys = Reflect.ownKeys(a);
  const others = Reflect.ownKeys(b);
  const value = (of: object, key: PropertyKey) => (of as Record<PropertyKey, unknown>)[key];
  return keys.length === others.length && keys.every((key) => others.includes(key) && equal(value(a, key), value(b, key), inner));
}

export const assertEquals = (actual: unknown, expected: unknown, message?: string) => void (equal(actual, expected) || fails(`Values are not equal: ${shown(actual)} is not ${shown(expected)}`, message));
export const assertNotEquals = (actual: unknown, expected: unknown, message?: string) => void (equal(actual, expected) && fails(`Values are equal: ${shown(actual)}`, message));
export const assertStrictEquals = (actual: unknown, expected: unknown, message?: string) => void (Object.is(actual, expected) || fails(`Values are not the same: ${shown(actual)} is not ${shown(expected)}`, message));
export const assertNotStrictEquals = (actual: unknown, expected: unknown, message?: string) => void (Object.is(actual, expected) && fails(`Values are the same: ${shown(actual)}`, message));
export const assertStringIncludes = (actual: string, expected: string, message?: string) => void (actual.includes(expected) || fails(`${shown(actual)} does not contain ${shown(expected)}`, message));
export const assertMatch = (actual: string, expected: RegExp, message?: string) => void (expected.test(actual) || fails(`${shown(actual)} does not match ${expected}`, message));
export const assertNotMatch = (actual: string, expected: RegExp, message?: string) => void (expected.test(actual) && fails(`${shown(actual)} matches ${expected}`, message));
export const assertArrayIncludes = (actual: ArrayLike<unknown>, expected: ArrayLike<unknown>, message?: string) =>
  void (Array.from(expected).every((one) => Array.from(actual).some((other) => equal(one, other))) || fails(`${shown(actual)} does not contain all of ${shown(expected)}`, message));
export const assertGreater = <Value>(actual: Value, expected: Value, message?: string) => void (actual > expected || fails(`${shown(actual)} is not greater than ${shown(expected)}`, message));
export const assertLess = <Value>(actual: Value, expected: Value, message?: string) => void (actual < expected || fails(`${shown(actual)} is not less than ${shown(expected)}`, message));
export const assertAlmostEquals = (actual: number, expected: number, tolerance = 1e-7, message?: string) => void (Math.abs(actual - expected) <= tolerance || fails(`${actual} is not about ${expected}`, message));

type ErrorClass<Kind extends Error> = abstract new (...given: never[]) => Kind;

export function assertInstanceOf<Kind>(actual: unknown, expected: abstract new (...given: never[]) => Kind, message?: string): asserts actual is Kind {
  if (!(actual instanceof expected)) fails(`${shown(actual)} is no ${expected.name}`, message);
}

export function assertIsError<Kind extends Error>(error: unknown, kind?: ErrorClass<Kind>, contains?: string, message?: string): asserts error is Kind {
  if (!(error instanceof Error)) fails(`${shown(error)} is no error`, message);
  if (kind && !((error as Error) instanceof kind)) fails(`${(error as Error).name} is no ${kind.name}`, message);
  if (contains !== undefined && !(error as Error).message.includes(contains)) fails(`${shown((error as Error).message)} does not contain ${shown(contains)}`, message);
}

export function assertThrows<Kind extends Error>(call: () => unknown, kind?: ErrorClass<Kind>, contains?: string, message?: string): unknown {
  try {
    call();
  } catch (error) {
    if (kind) assertIsError(error, kind, contains, message);
    return error;
  }
  return fails('Nothing was thrown', message);
}

export async function assertRejects<Kind extends Error>(call: () => PromiseLike<unknown>, kind?: ErrorClass<Kind>, contains?: string, message?: string): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    if (kind) assertIsError(error, kind, contains, message);
    return error;
  }
  return fails('Nothing was thrown', message);
}

export const assertObjectMatch = (actual: object, expected: object, message?: string): void => {
  const matches = (a: unknown, b: unknown): boolean =>
    typeof b === 'object' && b !== null && !Array.isArray(b) && Object.getPrototypeOf(b) === Object.prototype
      ? typeof a === 'object' && a !== null && Object.entries(b).every(([key, value]) => matches((a as Record<string, unknown>)[key], value))
      : equal(a, b);
  if (!matches(actual, expected)) fails(`${shown(actual)} does not match ${shown(expected)}`, message);
};

export const fail = (message?: string): never => fails('Failed', message);
export const unimplemented = (message?: string): never => fails('Unimplemented', message);
export const unreachable = (message?: string): never => fails('Unreachable', message);
