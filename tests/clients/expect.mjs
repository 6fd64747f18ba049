// The few assertions of the suites that run in Node and in a page alike.

const sorted = (value) => {
  if (Array.isArray(value)) return value.map(sorted);
  if (value && typeof value === 'object') return Object.fromEntries(Object.keys(value).toSorted().map((key) => [key, sorted(value[key])]));
  return value;
};

export function same(actual, expected, what) {
  const [a, e] = [JSON.stringify(sorted(actual)), JSON.stringify(sorted(expected))];
  if (a !== e) throw new Error(`${what}: got ${a}, expected ${e}`);
}

export function ok(condition, what) {
  if (!condition) throw new Error(what);
}

export function matches(actual, pattern, what) {
  if (!pattern.test(String(actual))) throw new Error(`${what}: got ${actual}, expected ${pattern}`);
}

const fields = (error) => JSON.stringify({ name: error.name, message: error.message, status: error.status, statusCode: error.statusCode, code: error.code });

/** The data of an answer that has no error. */
export async function good(what, answer) {
  const { data, error } = await answer;
  if (error) throw new Error(`${what}: ${fields(error)}`);
  return data;
}

/** The error of an answer, whose fields are those of `expected`. */
export async function bad(what, answer, expected) {
  const { data, error } = await answer;
  if (!error) throw new Error(`${what}: no error, but ${JSON.stringify(data)}`);
  for (const [name, value] of Object.entries(expected)) {
    const fits = value instanceof RegExp ? value.test(String(error[name])) : error[name] === value;
    if (!fits) throw new Error(`${what}: ${name} is ${JSON.stringify(error[name])}, expected ${value}; ${fields(error)}`);
  }
  return error;
}
