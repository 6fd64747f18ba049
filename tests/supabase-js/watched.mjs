// Which methods and options of a client were used: the package stays as it is, only what it hands out is looked at.

const isBuilder = (value) => value !== null && typeof value === 'object' && /^Postgrest(?!Error)|^SupabaseClient$/.test(value.constructor?.name);

/** Names that one use adds: `order`, `order.ascending`, `select.count=exact`. */
function names(method, args) {
  const found = [method];
  for (const option of args) {
    if (option === null || typeof option !== 'object' || Array.isArray(option) || option.constructor !== Object) continue;
    for (const [name, value] of Object.entries(option)) {
      found.push(`${method}.${name}`);
      if (typeof value === 'string') found.push(`${method}.${name}=${value}`);
    }
  }
  return found;
}

/** The same client; `used` gets the name of every method that is called on it, or on a builder that comes of it. */
export function watched(client, used) {
  return new Proxy(client, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== 'function' || typeof name !== 'string' || name === 'constructor') return value;
      return (...args) => {
        for (const found of names(name, args)) used.add(found);
        const result = value.apply(target, args);
        return isBuilder(result) ? watched(result, used) : result;
      };
    },
  });
}
