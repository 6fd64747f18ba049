// Passkeys, step by step: what a page does that calls `navigator.credentials` itself.
import { bad, good, same } from '../clients/expect.mjs';
import { methods } from './people.mjs';

export const passkeys = {
  'passkey: registered, used, listed, named, deleted': async ({ user, client, device, admin }) => {
    const { auth, id } = await user();
    const key = await device();
    const asked = await good('startRegistration', auth.passkey.startRegistration());
    const made = await good('verifyRegistration', auth.passkey.verifyRegistration({ challengeId: asked.challenge_id, credential: await key.create(asked.options) }));
    await bad('a challenge is for once', auth.passkey.verifyRegistration({ challengeId: asked.challenge_id, credential: { id: 'x', rawId: 'x', type: 'public-key', response: {} } }), { status: 400 });

    const other = client();
    const wanted = await good('startAuthentication', other.passkey.startAuthentication());
    const credential = await key.get(wanted.options);
    const { session, user: who } = await good('verifyAuthentication', other.passkey.verifyAuthentication({ challengeId: wanted.challenge_id, credential }));
    same([who.id, methods(session.access_token)], [id, ['passkey']], 'signed in');
    await bad('an answer is for once', client().passkey.verifyAuthentication({ challengeId: wanted.challenge_id, credential }), { status: 400 });

    same((await good('update', auth.passkey.update({ passkeyId: made.id, friendlyName: 'laptop' }))).friendly_name, 'laptop', 'update');
    const listed = await good('list', auth.passkey.list());
    same(listed.map(({ id, friendly_name, last_used_at }) => [id, friendly_name, Boolean(last_used_at)]), [[made.id, 'laptop', true]], 'list');
    same((await good('listPasskeys', admin.passkey.listPasskeys({ userId: id }))).map(({ id }) => id), [made.id], 'listPasskeys');
    await bad('of another', (await user()).auth.passkey.delete({ passkeyId: made.id }), { status: 404 });
    await good('delete', auth.passkey.delete({ passkeyId: made.id }));
    same(await good('list', auth.passkey.list()), [], 'it is gone');

    const again = await good('startRegistration', auth.passkey.startRegistration());
    const second = await good('verifyRegistration', auth.passkey.verifyRegistration({ challengeId: again.challenge_id, credential: await (await device()).create(again.options) }));
    await good('deletePasskey', admin.passkey.deletePasskey({ userId: id, passkeyId: second.id }));
    same(await good('list', auth.passkey.list()), [], 'it is gone');
  },
};
