// The rules of the outbound allow-list, as a person writes them.

/** A rule in its one spelling, and what it lets through; or why it is none. */
export type Rule = { rule: string; means: string } | { fault: string };

/**
 * Reads `example.com`, `*.example.com`, `https://example.com`, `example.com:8443` or `*`. A whole address is cut to what
 * a rule can say: paths are not looked at.
 */
export function readRule(text: string): Rule {
  const typed = text.trim().toLowerCase();
  if (typed === '') return { fault: 'Write a host, as api.example.com.' };
  if (typed === '*') return { rule: '*', means: 'every host' };
  const [, scheme, rest] = /^(?:([a-z][a-z0-9+.-]*):\/\/)?(.*)$/.exec(typed)!;
  if (scheme && scheme !== 'http' && scheme !== 'https') return { fault: `Only http and https go out; ${scheme} does not.` };
  const [authority = ''] = rest!.split(/[/?#]/);
  if (authority.includes('@')) return { fault: 'A rule has no user name in it.' };
  const [, host = '', port] = /^(.*?)(?::(\d+))?$/.exec(authority)!;
  if (port && (Number(port) < 1 || Number(port) > 65_535)) return { fault: `${port} is no port: they end at 65535.` };
  const wild = host.startsWith('*.');
  const name = wild ? host.slice(2) : host;
  if (name.includes('*')) return { fault: 'A * stands alone, or for all that is before a dot: *.example.com.' };
  if (!isHost(name)) return { fault: `“${name || typed}” is no host name.` };
  if (wild && !name.includes('.')) return { fault: `*.${name} would allow a whole top-level domain.` };
  const rule = `${scheme ? `${scheme}://` : ''}${host}${port ? `:${port}` : ''}`;
  const where = wild ? `every host below ${name}, not ${name} itself` : 'this host alone';
  const how = [scheme && `by ${scheme} only`, port && `at port ${port} only`].filter(Boolean).join(', ');
  return { rule, means: how ? `${where}, ${how}` : `${where}${wild ? '' : ', at any port'}` };
}

const isHost = (name: string) => name.length <= 253 && name.split('.').every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label));

/** The list with one more, or why not. */
export function addRule(rules: string[], text: string): { rules: string[] } | { fault: string } {
  const read = readRule(text);
  if ('fault' in read) return read;
  if (rules.includes(read.rule)) return { fault: `${read.rule} is in the list already.` };
  return { rules: [...rules, read.rule] };
}
