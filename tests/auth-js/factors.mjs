// Second factors: an authenticator app, a phone.
import { bad, good, matches, ok, same } from '../clients/expect.mjs';
import { claims, methods, password, phoneNumber } from './people.mjs';
import { totp } from './totp.mjs';

export const factors = {
  'mfa: an app is enrolled, challenged, verified, listed, given up': async ({ user, client }) => {
    const { auth, email } = await user();
    const level = async (auth) => {
      const { currentLevel, nextLevel, currentAuthenticationMethods } = await good('level', auth.mfa.getAuthenticatorAssuranceLevel());
      return [currentLevel, nextLevel, currentAuthenticationMethods.map(({ method }) => method).toSorted()];
    };
    const factor = await good('enroll', auth.mfa.enroll({ factorType: 'totp', friendlyName: 'app', issuer: 'Example' }));
    same([factor.type, factor.friendly_name], ['totp', 'app'], 'enroll');
    matches(factor.totp.qr_code, /^data:image\/svg\+xml;utf-8,<svg /, 'qr_code');
    matches(factor.totp.uri, /^otpauth:\/\/totp\/Example:/, 'uri');
    await bad('enroll, the name again', auth.mfa.enroll({ factorType: 'totp', friendlyName: 'app' }), { status: 422, code: 'mfa_factor_name_conflict' });
    same(await level(auth), ['aal1', 'aal1', ['password']], 'before');
    const challenge = await good('challenge', auth.mfa.challenge({ factorId: factor.id }));
    same([challenge.type, challenge.expires_at > Date.now() / 1000], ['totp', true], 'challenge');
    const code = await totp(factor.totp.secret);
    await bad('verify, wrong', auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code: code === '000000' ? '000001' : '000000' }), { status: 422, code: 'mfa_verification_failed', message: 'Invalid TOTP code entered' });
    const session = await good('verify', auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code }));
    same([claims(session.access_token).aal, methods(session.access_token)], ['aal2', ['password', 'totp']], 'verify');
    same(await level(auth), ['aal2', 'aal2', ['password', 'totp']], 'after');
    const listed = await good('listFactors', auth.mfa.listFactors());
    same([listed.all.map(({ id }) => id), listed.totp.map(({ status }) => status), listed.phone], [[factor.id], ['verified'], []], 'listFactors');

    const fresh = client();
    await good('signInWithPassword', fresh.signInWithPassword({ email, password }));
    same(await level(fresh), ['aal1', 'aal2', ['password']], 'a fresh session');
    await bad('unenroll, below', fresh.mfa.unenroll({ factorId: factor.id }), { status: 422, code: 'insufficient_aal' });
    await bad('enroll, below', fresh.mfa.enroll({ factorType: 'totp', friendlyName: 'second' }), { status: 403, code: 'insufficient_aal' });
    const raised = await good('challengeAndVerify', fresh.mfa.challengeAndVerify({ factorId: factor.id, code: await totp(factor.totp.secret) }));
    same(claims(raised.access_token).aal, 'aal2', 'challengeAndVerify');
    same(await good('unenroll', fresh.mfa.unenroll({ factorId: factor.id })), { id: factor.id }, 'unenroll');
    same((await good('listFactors', fresh.mfa.listFactors())).all, [], 'nothing is left');
  },
  'mfa: a phone': async ({ user, sms }) => {
    const { auth } = await user();
    const phone = phoneNumber();
    const factor = await good('enroll', auth.mfa.enroll({ factorType: 'phone', phone: `+${phone}` }));
    same([factor.type, factor.phone], ['phone', `+${phone}`], 'enroll');
    const challenge = await good('challenge', auth.mfa.challenge({ factorId: factor.id, channel: 'sms' }));
    const session = await good('verify', auth.mfa.verify({ factorId: factor.id, challengeId: challenge.id, code: (await sms(phone)).code }));
    same(methods(session.access_token), ['mfa/phone', 'password'], 'verify');
    same((await good('listFactors', auth.mfa.listFactors())).phone.map(({ id }) => id), [factor.id], 'listFactors');
  },
  'admin.mfa: factors of a user': async ({ user, admin, client }) => {
    const { auth, id } = await user();
    const factor = await good('enroll', auth.mfa.enroll({ factorType: 'totp', friendlyName: 'mine' }));
    const { factors } = await good('listFactors', admin.mfa.listFactors({ userId: id }));
    same(factors.map(({ id, friendly_name, status }) => [id, friendly_name, status]), [[factor.id, 'mine', 'unverified']], 'listFactors');
    await bad('not for everybody', client().admin.mfa.listFactors({ userId: id }), { status: 403, code: 'not_admin' });
    await good('deleteFactor', admin.mfa.deleteFactor({ userId: id, id: factor.id }));
    ok((await good('listFactors', admin.mfa.listFactors({ userId: id }))).factors.length === 0, 'it is gone');
  },
};
