// An authenticator in software, with real keys: what a browser's `navigator.credentials` would answer.
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

const base64url = (bytes) => Buffer.from(bytes).toString('base64url');
const sha256 = (bytes) => createHash('sha256').update(bytes).digest();

/** The little of CBOR (RFC 8949) that an attestation needs: integers, bytes, text, maps. */
function cbor(value) {
  const head = (major, number) => {
    if (number < 24) return Buffer.from([(major << 5) | number]);
    if (number < 256) return Buffer.from([(major << 5) | 24, number]);
    return Buffer.from([(major << 5) | 25, number >> 8, number & 255]);
  };
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Map) return Buffer.concat([head(5, value.size), ...[...value].flat().map(cbor)]);
  return Buffer.concat([head(2, value.length), value]);
}

const KINDS = {
  ES256: {
    make: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    cose: ({ x, y }) => [[1, 2], [3, -7], [-1, 1], [-2, Buffer.from(x, 'base64url')], [-3, Buffer.from(y, 'base64url')]],
    hash: 'sha256',
  },
  EdDSA: {
    make: () => generateKeyPairSync('ed25519'),
    cose: ({ x }) => [[1, 1], [3, -8], [-1, 6], [-2, Buffer.from(x, 'base64url')]],
    hash: null,
  },
  RS256: {
    make: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
    cose: ({ n, e }) => [[1, 3], [3, -257], [-1, Buffer.from(n, 'base64url')], [-2, Buffer.from(e, 'base64url')]],
    hash: 'sha256',
  },
};

/** A device with one credential for a site. `change` may spoil what it says: `{ origin, rpId, challenge, flags, count }`. */
export function authenticator(origin, algorithm = 'ES256') {
  const kind = KINDS[algorithm];
  const { publicKey, privateKey } = kind.make();
  const id = randomBytes(32);
  let count = 0;
  let handle;
  const clientData = (type, challenge, change) => Buffer.from(JSON.stringify({
    type, challenge: change.challenge ?? challenge, origin: change.origin ?? origin, crossOrigin: false,
  }));
  const data = (rpId, flags, change, credential = Buffer.alloc(0)) => {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(change.count ?? count);
    return Buffer.concat([sha256(change.rpId ?? rpId), Buffer.from([change.flags ?? flags]), counter, credential]);
  };
  return {
    id: base64url(id),
    /** `navigator.credentials.create()`, as JSON. */
    create(options, change = {}) {
      handle = options.user.id;
      const length = Buffer.from([id.length >> 8, id.length & 255]);
      const key = cbor(new Map(kind.cose(publicKey.export({ format: 'jwk' }))));
      const credential = Buffer.concat([Buffer.alloc(16, 7), length, id, key]);
      const authData = data(options.rp.id, 0x45, change, credential);
      const object = cbor(new Map([['fmt', 'none'], ['attStmt', new Map()], ['authData', authData]]));
      return {
        id: base64url(id), rawId: base64url(id), type: 'public-key', clientExtensionResults: {}, authenticatorAttachment: 'platform',
        response: {
          clientDataJSON: base64url(clientData('webauthn.create', options.challenge, change)),
          attestationObject: base64url(object), transports: ['internal'],
        },
      };
    },
    /** `navigator.credentials.get()`, as JSON. */
    get(options, change = {}) {
      count += 1;
      const client = clientData('webauthn.get', options.challenge, change);
      const authData = data(options.rpId, 0x05, change);
      const signature = sign(kind.hash, Buffer.concat([authData, sha256(client)]), privateKey);
      return {
        id: base64url(id), rawId: base64url(id), type: 'public-key', clientExtensionResults: {},
        response: {
          clientDataJSON: base64url(client), authenticatorData: base64url(authData),
          signature: base64url(signature), userHandle: handle,
        },
      };
    },
  };
}
