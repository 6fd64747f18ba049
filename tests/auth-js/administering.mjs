// Users, as somebody sees them who holds the secret key.
import { bad, good, ok, same } from '../clients/expect.mjs';
import { address, claims, fragment, password } from './people.mjs';

export const administering = {
  'admin: users are made, read, changed, listed, deleted': async ({ admin, client }) => {
    const email = address();
    const { user } = await good('createUser', admin.createUser({ email, password, email_confirm: true, user_metadata: { n: 1 }, app_metadata: { plan: 'pro' }, ban_duration: 'none' }));
    same([user.email, user.user_metadata.n, user.app_metadata.plan, Boolean(user.email_confirmed_at)], [email, 1, 'pro', true], 'createUser');
    await bad('createUser, again', admin.createUser({ email, password }), { status: 422, code: 'email_exists' });
    same((await good('getUserById', admin.getUserById(user.id))).user.email, email, 'getUserById');
    const renamed = address();
    const changed = await good('updateUserById', admin.updateUserById(user.id, { email: renamed, app_metadata: { plan: null }, ban_duration: '1h' }));
    same([changed.user.email, changed.user.app_metadata, new Date(changed.user.banned_until) > new Date()], [renamed, { provider: 'email', providers: ['email'] }, true], 'updateUserById');
    await bad('banned', client().signInWithPassword({ email: renamed, password }), { status: 400, code: 'user_banned' });
    const page = await good('listUsers', admin.listUsers({ page: 1, perPage: 1 }));
    same([page.users.length, page.aud, page.nextPage], [1, 'authenticated', 2], 'listUsers');
    ok(page.total > 1, 'total');
    const { users } = await good('listUsers', admin.listUsers({ perPage: 1000 }));
    ok(users.some(({ id }) => id === user.id), 'listUsers has it');
    await good('deleteUser, softly', admin.deleteUser(user.id, true));
    ok((await good('getUserById', admin.getUserById(user.id))).user.deleted_at, 'the row stays');
    await good('deleteUser', admin.deleteUser(user.id));
    await bad('getUserById, gone', admin.getUserById(user.id), { status: 404, code: 'user_not_found' });
    const stranger = client().admin;
    for (const [name, call] of Object.entries({
      createUser: () => stranger.createUser({ email: address(), password }), listUsers: () => stranger.listUsers(), getUserById: () => stranger.getUserById(user.id),
      updateUserById: () => stranger.updateUserById(user.id, {}), deleteUser: () => stranger.deleteUser(user.id), inviteUserByEmail: () => stranger.inviteUserByEmail(address()),
      generateLink: () => stranger.generateLink({ type: 'magiclink', email }),
    })) await bad(`${name}, by anybody`, call(), { status: 403, code: 'not_admin', message: 'User not allowed' });
  },
  'admin.inviteUserByEmail': async ({ admin, client, mail, follow, landing }) => {
    const email = address();
    const { user } = await good('inviteUserByEmail', admin.inviteUserByEmail(email, { data: { team: 'A' }, redirectTo: landing }));
    same([user.email, user.user_metadata.team, Boolean(user.invited_at)], [email, 'A', true], 'inviteUserByEmail');
    const landed = fragment(await follow((await mail(email)).link));
    same(landed.type, 'invite', 'the link');
    const auth = client();
    await good('setSession', auth.setSession(landed));
    await good('updateUser', auth.updateUser({ password }));
    await good('signInWithPassword', client().signInWithPassword({ email, password }));
    await bad('again', admin.inviteUserByEmail(email), { status: 422, code: 'email_exists' });
  },
  'admin.generateLink': async ({ admin, user, client, follow, landing }) => {
    const { email, id } = await user();
    for (const [type, more, address_] of [
      ['signup', { password }, address()], ['invite', {}, address()], ['magiclink', {}, email], ['recovery', {}, email],
      ['email_change_current', { newEmail: address() }, email],
    ]) {
      const { properties, user: who } = await good(type, admin.generateLink({ type, email: address_, ...more, options: { redirectTo: landing } }));
      same([who.email, properties.verification_type, properties.redirect_to], [address_, type, landing], type);
      const link = new URL(properties.action_link);
      same(link.searchParams.get('token'), properties.hashed_token, type);
      if (type === 'magiclink') same((await good('hashed_token', client().verifyOtp({ token_hash: properties.hashed_token, type: 'magiclink' }))).user.id, id, 'hashed_token');
      if (type === 'recovery') same((await good('email_otp', client().verifyOtp({ email, token: properties.email_otp, type: 'recovery' }))).user.id, id, 'email_otp');
      if (type === 'signup') same(fragment(await follow(properties.action_link)).type, 'signup', 'action_link');
    }
    await bad('nobody', admin.generateLink({ type: 'recovery', email: address() }), { status: 404, code: 'user_not_found' });
  },
  'admin.signOut': async ({ admin, user, client }) => {
    const { auth, email, session } = await user();
    const other = client();
    await good('signInWithPassword', other.signInWithPassword({ email, password }));
    await good('others', admin.signOut(session.access_token, 'others'));
    await bad('another is over', other.getUser(), { name: 'AuthSessionMissingError' });
    same(claims((await good('refresh', auth.refreshSession())).session.access_token).session_id, claims(session.access_token).session_id, 'this one stays');
    await good('global', admin.signOut(session.access_token, 'global'));
    await bad('all are over', auth.getUser(), { name: 'AuthSessionMissingError' });
    await bad('again', admin.signOut(session.access_token), { name: 'AuthSessionMissingError' });
  },
};
