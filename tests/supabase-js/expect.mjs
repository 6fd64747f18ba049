// What the cases say of an answer; it runs in a page as well as in Node.

const sorted = (value) => {
  if (Array.isArray(value)) return value.map(sorted);
  if (value && typeof value === 'object') return Object.fromEntries(Object.keys(value).toSorted().map((key) => [key, sorted(value[key])]));
  return value;
};

/** Throws where two values are not the same JSON, whatever the order of keys. */
export function same(actual, expected, what) {
  const [a, e] = [JSON.stringify(sorted(actual)), JSON.stringify(sorted(expected))];
  if (a !== e) throw new Error(`${what}: got ${a}, expected ${e}`);
}

/** The result of a request that must not fail. */
export async function good(what, builder) {
  const result = await builder;
  if (result.error) throw new Error(`${what}: ${JSON.stringify(result.error)} (${result.status})`);
  return result;
}

/** Throws where a request does not fail with this code and status. */
export async function refused(what, builder, code, status) {
  const result = await builder;
  same([result.error?.code, result.status], [code, status], what);
  return result.error;
}
