// What a mail's link left in this page's address: a session of that user, or why there is none.

export type Landed = { kind: 'session'; token: string; who: string; what: string } | { kind: 'code'; code: string } | { kind: 'half'; what: string } | { kind: 'refused'; why: string };

/** Read once, when the page opens, and taken out of the address: a token is nothing to bookmark. */
export function takeLanded(): Landed | undefined {
  const address = new URL(location.href);
  const hash = new URLSearchParams(address.hash.replace(/^#\/?/, ''));
  const landed = read(hash) ?? read(address.searchParams);
  if (!landed) return undefined;
  for (const name of ['code', 'error', 'error_code', 'error_description', 'message', 'sb']) address.searchParams.delete(name);
  address.hash = '#/';
  history.replaceState(null, '', address);
  return landed;
}

function read(parameters: URLSearchParams): Landed | undefined {
  const token = parameters.get('access_token');
  if (token) return { kind: 'session', token, who: whoseIs(token), what: parameters.get('type') ?? 'link' };
  const why = parameters.get('error_description');
  if (why) return { kind: 'refused', why };
  // Of a change of email, whose other address has a link too.
  const what = parameters.get('message');
  if (what) return { kind: 'half', what };
  const code = parameters.get('code');
  return code ? { kind: 'code', code } : undefined;
}

function whoseIs(token: string): string {
  try {
    const payload = token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const { email, phone, sub } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, string>;
    return email || phone || sub || 'a user';
  } catch {
    return 'a user';
  }
}
