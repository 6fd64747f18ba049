// A session: read, kept, refreshed, heard of, ended.
import { bad, good, ok, same } from '../clients/expect.mjs';
import { claims, password } from './people.mjs';

export const session = {
  'getSession, getUser, getClaims': async ({ user, client, keys }) => {
    const { auth, email, id, session } = await user();
    same((await good('getSession', auth.getSession())).session.access_token, session.access_token, 'getSession');
    same((await good('getUser', auth.getUser())).user.id, id, 'getUser');
    same((await good('getUser, by token', client().getUser(session.access_token))).user.email, email, 'getUser, by token');
    const { claims: said, header } = await good('getClaims', auth.getClaims());
    same([said.email, said.role, said.aal, header.typ], [email, 'authenticated', 'aal1', 'JWT'], 'getClaims');
    same((await good('getClaims, by token', client().getClaims(session.access_token))).claims.sub, id, 'getClaims, by token');
    const forged = `${session.access_token.slice(0, -6)}AAAAAA`;
    await bad('a forged one', client().getClaims(forged), { status: 403, code: 'bad_jwt' });
    await bad('a forged one', client().getUser(forged), { status: 403, code: 'bad_jwt' });
    await bad('a key is no user', client().getUser(keys.anon), { status: 403, code: 'bad_jwt' });
    await bad('nobody', client().getUser(), { name: 'AuthSessionMissingError' });
    same((await client().getSession()).data.session, null, 'nobody');
  },
  'refreshSession, setSession': async ({ user, client }) => {
    const { auth, session } = await user();
    const { session: second } = await good('refreshSession', auth.refreshSession());
    ok(second.refresh_token !== session.refresh_token, 'the next token');
    same(claims(second.access_token).session_id, claims(session.access_token).session_id, 'one session');
    const other = client();
    same((await good('setSession', other.setSession(second))).session.access_token, second.access_token, 'setSession');
    const [head, , signature] = second.access_token.split('.');
    const over = btoa(JSON.stringify({ ...claims(second.access_token), exp: 1 })).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    const { session: third } = await good('setSession, with a token that is over', client().setSession({ ...second, access_token: [head, over, signature].join('.') }));
    ok(third.refresh_token !== second.refresh_token, 'it was refreshed');
    const by = await good('refreshSession, by token', client().refreshSession({ refresh_token: third.refresh_token }));
    same(claims(by.session.access_token).session_id, claims(session.access_token).session_id, 'by token');
    await bad('no token of ours', client().refreshSession({ refresh_token: 'nosuchtoken1' }), { status: 400, code: 'refresh_token_not_found' });
    await bad('nobody', client().refreshSession(), { name: 'AuthSessionMissingError' });
  },
  'onAuthStateChange, startAutoRefresh, stopAutoRefresh, initialize, dispose': async ({ user, client }) => {
    const { email } = await user();
    const items = new Map();
    const storage = { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value), removeItem: (key) => void items.delete(key) };
    const auth = client({ storage, storageKey: 'kept' });
    same(await auth.initialize(), { error: null }, 'initialize');
    const heard = [];
    let hear;
    const { data: { subscription } } = auth.onAuthStateChange((event, now) => { heard.push(event); hear?.(event, now); });
    const next = (wanted) => new Promise((resolve) => { hear = (event, now) => event === wanted && resolve(now); });
    const signedIn = next('SIGNED_IN');
    await good('signInWithPassword', auth.signInWithPassword({ email, password }));
    const first = await signedIn;
    await good('updateUser', auth.updateUser({ data: { a: 1 } }));
    await good('refreshSession', auth.refreshSession());
    // What is about to end is refreshed without being asked.
    const stored = JSON.parse(items.get('kept'));
    items.set('kept', JSON.stringify({ ...stored, expires_at: Math.floor(Date.now() / 1000) + 30 }));
    const refreshed = next('TOKEN_REFRESHED');
    await auth.startAutoRefresh();
    ok((await refreshed).refresh_token !== stored.refresh_token, 'startAutoRefresh');
    await auth.stopAutoRefresh();
    same(heard, ['INITIAL_SESSION', 'SIGNED_IN', 'USER_UPDATED', 'TOKEN_REFRESHED', 'TOKEN_REFRESHED'], 'what was heard');
    // In a page the two hear of each other.
    const later = client({ storage, storageKey: 'kept' });
    same(claims((await good('a client that comes later', later.getSession())).session.access_token).session_id, claims(first.access_token).session_id, 'kept');
    same((await auth.signOut()).error, null, 'signOut');
    same(heard.at(-1), 'SIGNED_OUT', 'what was heard');
    const length = heard.length;
    subscription.unsubscribe();
    await good('setSession', auth.setSession((await user()).session));
    same(heard.length, length, 'nothing after unsubscribe');
    await auth.dispose();
  },
  'signOut: this session, the others, all': async ({ user, client }) => {
    const { auth, email } = await user();
    const other = async () => {
      const auth = client();
      await good('signInWithPassword', auth.signInWithPassword({ email, password }));
      return auth;
    };
    const [second, third] = [await other(), await other()];
    const token = (await auth.getSession()).data.session.access_token;
    same(await auth.signOut({ scope: 'local' }), { error: null }, 'local');
    await bad('it is over', client().getUser(token), { name: 'AuthSessionMissingError' });
    same((await auth.getSession()).data.session, null, 'nothing is kept');
    same(await second.signOut({ scope: 'others' }), { error: null }, 'others');
    await good('this one stays', second.getUser());
    await bad('another one is over', third.getUser(), { name: 'AuthSessionMissingError' });
    const fourth = await other();
    same(await second.signOut(), { error: null }, 'global');
    await bad('all are over', fourth.getUser(), { name: 'AuthSessionMissingError' });
  },
};
