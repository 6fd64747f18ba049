// Which methods a client has, and which of them a suite has called: a method that no case calls fails the run.

/** The public methods of an object: its own and its classes', without what begins with `_` and what `hidden` names. */
export function methodsOf(object, hidden = new Set()) {
  const names = new Set();
  for (let level = object; level && level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (typeof value === 'function' && name !== 'constructor' && !name.startsWith('_') && !hidden.has(name)) names.add(name);
    }
  }
  return [...names];
}

/**
 * The same object, seen through: each call of a method is noted as `prefix.name`. `parts` are properties that hold
 * methods of their own, `given` are methods whose results are looked at in turn, by the prefix that these have.
 */
export function recorded(object, prefix, called, { parts = {}, given = {} } = {}) {
  return new Proxy(object, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (name in parts) return recorded(value, `${prefix}.${name}`, called, parts[name]);
      if (typeof value !== 'function' || typeof name !== 'string') return value;
      return (...args) => {
        called.add(`${prefix}.${name}`);
        const result = value.apply(target, args);
        if (name in given) return recorded(result, given[name].prefix, called, given[name]);
        return result === target ? recorded(target, prefix, called, { parts, given }) : result;
      };
    },
  });
}

/** Every method below `object` as `recorded` would note it. */
export function documented(object, prefix, { parts = {}, hidden } = {}) {
  const own = methodsOf(object, hidden).filter((name) => !(name in parts)).map((name) => `${prefix}.${name}`);
  return [...own, ...Object.entries(parts).flatMap(([name, below]) => documented(object[name], `${prefix}.${name}`, { ...below, hidden }))];
}

/** What a package's declarations call private or internal. */
export function hiddenIn(declarations) {
  return new Set([...declarations.matchAll(/^\s*(?:private|protected) (?:readonly |async |static )*(\w+)/gm)].map(([, name]) => name));
}

/** What is neither called nor excused, and what is excused without need. */
export function uncovered(all, called, excused) {
  const missing = all.filter((name) => !called.has(name) && !(name in excused));
  const needless = Object.keys(excused).filter((name) => called.has(name) || !all.includes(name));
  return { missing, needless };
}
