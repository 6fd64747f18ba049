// What goes by a message: codes and links, and asking for another.
import { bad, good, ok, same } from '../clients/expect.mjs';
import { address, claims, fragment, password, phoneNumber } from './people.mjs';

export const proving = {
  'signInWithOtp, verifyOtp: a mail’s code, its link, its hash': async ({ client, mail, follow, landing }) => {
    const [auth, email] = [client(), address()];
    await bad('nobody is made', auth.signInWithOtp({ email, options: { shouldCreateUser: false } }), { status: 422, code: 'otp_disabled', message: 'Signups not allowed for otp' });
    same(await good('signInWithOtp', auth.signInWithOtp({ email, options: { data: { n: 1 }, emailRedirectTo: landing } })), { user: null, session: null }, 'signInWithOtp');
    const { code } = await mail(email);
    const { user } = await good('code', auth.verifyOtp({ email, token: code, type: 'email' }));
    same([user.email, user.user_metadata.n], [email, 1], 'code');
    await bad('the code again', auth.verifyOtp({ email, token: code, type: 'email' }), { status: 403, code: 'otp_expired', message: 'Token has expired or is invalid' });
    await good('signInWithOtp', auth.signInWithOtp({ email, options: { emailRedirectTo: landing } }));
    const landed = await follow((await mail(email)).link);
    same([landed.startsWith(`${landing}#`), fragment(landed).type], [true, 'magiclink'], landed);
    same(claims(fragment(landed).access_token).sub, user.id, 'link');
    await good('signInWithOtp', auth.signInWithOtp({ email }));
    const token_hash = new URL((await mail(email)).link).searchParams.get('token');
    same((await good('hash', auth.verifyOtp({ token_hash, type: 'email' }))).user.id, user.id, 'hash');
    await bad('the hash again', auth.verifyOtp({ token_hash, type: 'email' }), { status: 403, code: 'otp_expired', message: 'Email link is invalid or has expired' });
  },
  'signInWithOtp, verifyOtp, resend: a phone': async ({ client, sms }) => {
    const [auth, phone] = [client(), phoneNumber()];
    await good('signInWithOtp', auth.signInWithOtp({ phone, options: { data: { n: 1 } } }));
    const first = await sms(phone);
    same(first.channel, 'sms', 'channel');
    const resent = await good('resend', auth.resend({ type: 'sms', phone }));
    const second = await sms(phone);
    same([resent.messageId, second.id === first.id], [second.id, false], 'resend');
    same((await good('verifyOtp', auth.verifyOtp({ phone, token: second.code, type: 'sms' }))).user.phone, phone, 'verifyOtp');
    same((await good('whatsapp', auth.signInWithOtp({ phone, options: { channel: 'whatsapp' } }))).messageId, (await sms(phone)).id, 'whatsapp');
    same((await sms(phone)).channel, 'whatsapp', 'whatsapp');
  },
  'resend: a confirmation and a new address': async ({ client, mail, user }) => {
    const [auth, email] = [client(), address()];
    await good('signUp', auth.signUp({ email, password }));
    const first = await mail(email);
    same(await good('resend', auth.resend({ type: 'signup', email })), { user: null, session: null, messageId: undefined }, 'resend');
    const second = await mail(email);
    ok(second.id !== first.id, 'another mail');
    await bad('the first code', auth.verifyOtp({ email, token: first.code, type: 'signup' }), { status: 403, code: 'otp_expired' });
    await good('the second', auth.verifyOtp({ email, token: second.code, type: 'signup' }));
    const known = await user();
    const wanted = address();
    await good('updateUser', known.auth.updateUser({ email: wanted }));
    const asked = await mail(wanted);
    await good('resend', known.auth.resend({ type: 'email_change', email: known.email }));
    ok((await mail(wanted)).id !== asked.id, 'another mail');
  },
  'resetPasswordForEmail: a link, then a new password': async ({ client, user, mail, follow, landing }) => {
    const { email, id } = await user();
    const auth = client({ flowType: 'pkce' });
    same(await good('resetPasswordForEmail', auth.resetPasswordForEmail(email, { redirectTo: landing })), {}, 'resetPasswordForEmail');
    const code = new URL(await follow((await mail(email)).link)).searchParams.get('code');
    const { user: who } = await good('exchangeCodeForSession', auth.exchangeCodeForSession(code));
    same(who.id, id, 'exchangeCodeForSession');
    await good('updateUser', auth.updateUser({ password: 'another horse 43' }));
    await good('signInWithPassword', client().signInWithPassword({ email, password: 'another horse 43' }));
    await bad('the old one', client().signInWithPassword({ email, password }), { code: 'invalid_credentials' });
    same(await good('nobody', auth.resetPasswordForEmail(address())), {}, 'nobody is answered alike');
  },
  'exchangeCodeForSession: only who began it': async ({ client, user, mail, follow, landing }) => {
    const { email } = await user();
    const [auth, thief] = [client({ flowType: 'pkce' }), client({ flowType: 'pkce' })];
    await good('signInWithOtp', auth.signInWithOtp({ email, options: { emailRedirectTo: landing } }));
    const code = new URL(await follow((await mail(email)).link)).searchParams.get('code');
    await bad('another client', thief.exchangeCodeForSession(code), { name: /PKCE/ });
    same((await good('the one', auth.exchangeCodeForSession(code))).user.email, email, 'the one');
  },
  'updateUser: an address that both sides confirm, a phone, data': async ({ user, mail, sms }) => {
    const { auth, email } = await user();
    const wanted = address();
    const { user: asked } = await good('updateUser', auth.updateUser({ email: wanted, data: { last: 'Bee' } }));
    same([asked.email, asked.new_email, asked.user_metadata.last], [email, wanted, 'Bee'], 'asked');
    const half = await auth.verifyOtp({ email, token: (await mail(email)).code, type: 'email_change' });
    same([half.error, half.data.session], [null, null], 'half');
    const { user: changed } = await good('verifyOtp', auth.verifyOtp({ email: wanted, token: (await mail(wanted)).code, type: 'email_change' }));
    same(changed.email, wanted, 'changed');
    const phone = phoneNumber();
    same((await good('updateUser', auth.updateUser({ phone }))).user.new_phone, phone, 'new_phone');
    same((await good('verifyOtp', auth.verifyOtp({ phone, token: (await sms(phone)).code, type: 'phone_change' }))).user.phone, phone, 'phone');
    await bad('the same password', auth.updateUser({ password }), { status: 422, code: 'same_password' });
    await bad('a weak one', auth.updateUser({ password: 'x' }), { name: 'AuthWeakPasswordError', code: 'weak_password' });
  },
  'reauthenticate sends a nonce': async ({ user, mail }) => {
    const { auth, email } = await user();
    same(await good('reauthenticate', auth.reauthenticate()), { user: null, session: null }, 'reauthenticate');
    const { kind, code } = await mail(email);
    same(kind, 'reauthentication', 'the mail');
    await good('updateUser', auth.updateUser({ password: 'another horse 43', nonce: code }));
  },
};
