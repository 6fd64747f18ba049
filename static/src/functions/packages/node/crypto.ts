// `node:crypto`: digests, keyed digests, key derivation and randomness, which WebCrypto has only as promises or not at all.
// Ciphers and key pairs are WebCrypto's: `crypto.subtle`.
import { hkdf as hkdfOf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { md5, ripemd160, sha1 } from '@noble/hashes/legacy.js';
import { pbkdf2 as pbkdf2Of } from '@noble/hashes/pbkdf2.js';
import { scrypt as scryptOf } from '@noble/hashes/scrypt.js';
import { sha224, sha256, sha384, sha512, sha512_256 } from '@noble/hashes/sha2.js';
import { sha3_256, sha3_384, sha3_512 } from '@noble/hashes/sha3.js';
import { blake2b, blake2s } from '@noble/hashes/blake2.js';
import { Buffer } from 'node:buffer';

type Input = string | ArrayBufferView | ArrayBuffer | KeyObject;
type Encoding = BufferEncoding | 'buffer' | undefined;
type Done<Value> = (error: Error | null, value?: Value) => void;

const digests = {
  md5, sha1, sha224, sha256, sha384, sha512, 'sha512-256': sha512_256, 'sha3-256': sha3_256, 'sha3-384': sha3_384, 'sha3-512': sha3_512, ripemd160, rmd160: ripemd160, blake2b512: blake2b, blake2s256: blake2s,
};

export const webcrypto = globalThis.crypto;
export const subtle = webcrypto.subtle;
export const getRandomValues = <View extends ArrayBufferView>(view: View): View => webcrypto.getRandomValues(view as never);
export const randomUUID = () => webcrypto.randomUUID();

function bytesOf(input: Input, encoding?: Encoding): Uint8Array {
  if (typeof input === 'string') return Buffer.from(input, encoding === 'buffer' ? 'utf8' : encoding);
  if (input instanceof KeyObject) return input.export();
  return ArrayBuffer.isView(input) ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength) : new Uint8Array(input);
}

function digestOf(name: string) {
  const plain = name.toLowerCase().replace(/^rsa-/, '').replace(/^(sha)-(?=\d+$)/, '$1');
  const found = Object.hasOwn(digests, plain) ? digests[plain as keyof typeof digests] : undefined;
  if (!found) throw Object.assign(new Error(`Digest method not supported: ${name}`), { code: 'ERR_CRYPTO_INVALID_DIGEST' });
  return found;
}

const encoded = (bytes: Uint8Array, encoding: Encoding) => {
  const buffer = Buffer.from(bytes);
  return encoding && encoding !== 'buffer' ? buffer.toString(encoding) : buffer;
};

interface Running { update(bytes: Uint8Array): unknown; digest(): Uint8Array; clone?(): Running }

/** What `createHash` and `createHmac` give; a stream's `write` and `end` it has too. */
class Digest {
  #ended = false;

  constructor(readonly running: Running) {}

  update(input: Input, encoding?: Encoding): this {
    if (this.#ended) throw Object.assign(new Error('Digest already called'), { code: 'ERR_CRYPTO_HASH_FINALIZED' });
    this.running.update(bytesOf(input, encoding));
    return this;
  }

  digest(encoding?: Encoding): string | Buffer {
    if (this.#ended) throw Object.assign(new Error('Digest already called'), { code: 'ERR_CRYPTO_HASH_FINALIZED' });
    this.#ended = true;
    return encoded(this.running.digest(), encoding);
  }

  copy(): Digest {
    return new Digest(this.running.clone!());
  }

  write(input: Input, encoding?: Encoding): boolean {
    this.update(input, encoding);
    return true;
  }

  end(input?: Input, encoding?: Encoding): this {
    if (input !== undefined) this.update(input, encoding);
    return this;
  }

  read(): Buffer {
    return this.digest() as Buffer;
  }
}

export { Digest as Hash, Digest as Hmac };

export const createHash = (name: string) => new Digest(digestOf(name).create());
export const createHmac = (name: string, key: Input) => new Digest(hmac.create(digestOf(name), bytesOf(key)));
export const hash = (name: string, input: Input, encoding: Encoding = 'hex') => createHash(name).update(input).digest(encoding);
export const getHashes = () => Object.keys(digests);

export class KeyObject {
  readonly type = 'secret';
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get symmetricKeySize(): number {
    return this.#bytes.length;
  }

  export(): Buffer {
    return Buffer.from(this.#bytes);
  }

  equals(other: KeyObject): boolean {
    return timingSafeEqual(this.#bytes.length === other.symmetricKeySize ? other.export() : Buffer.alloc(this.#bytes.length, 1), this.#bytes) && this.#bytes.length === other.symmetricKeySize;
  }
}

export const createSecretKey = (key: Input, encoding?: Encoding) => new KeyObject(Buffer.from(bytesOf(key, encoding)));

export function timingSafeEqual(a: ArrayBufferView | ArrayBuffer, b: ArrayBufferView | ArrayBuffer): boolean {
  const [left, right] = [bytesOf(a), bytesOf(b)];
  if (left.length !== right.length) throw Object.assign(new RangeError('Input buffers must have the same byte length'), { code: 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH' });
  return left.reduce((different, byte, index) => different | (byte ^ right[index]!), 0) === 0;
}

/** WebCrypto gives at most this much at once. */
const quota = 65536;

export function randomFillSync<View extends ArrayBufferView>(view: View, offset = 0, size = view.byteLength - offset): View {
  for (let at = 0; at < size; at += quota) {
    webcrypto.getRandomValues(new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset + offset + at, Math.min(quota, size - at)));
  }
  return view;
}

export function randomBytes(size: number, done?: Done<Buffer>): Buffer | undefined {
  const bytes = randomFillSync(Buffer.alloc(size));
  if (!done) return bytes;
  queueMicrotask(() => done(null, bytes));
  return undefined;
}
export const pseudoRandomBytes = randomBytes;
export const rng = randomBytes;

export function randomFill(view: ArrayBufferView, ...rest: unknown[]): void {
  const done = rest.at(-1) as Done<ArrayBufferView>;
  randomFillSync(view, ...(rest.slice(0, -1) as [number?, number?]));
  queueMicrotask(() => done(null, view));
}

/** From `low` to below `high`, each as likely. */
export function randomInt(...given: [number] | [number, number] | [number, Done<number>] | [number, number, Done<number>]): number | undefined {
  const done = typeof given.at(-1) === 'function' ? (given.at(-1) as Done<number>) : undefined;
  const bounds = given.filter((one) => typeof one === 'number');
  const [low, high]: [number, number] = bounds.length > 1 ? (bounds as [number, number]) : [0, bounds[0] as number];
  const range = high - low;
  if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || range <= 0 || range > 2 ** 48 - 1) throw new RangeError('The value of "max" is out of range.');
  const limit = 2 ** 48 - (2 ** 48 % range);
  let found: number;
  do {
    found = randomFillSync(Buffer.alloc(6)).readUIntBE(0, 6);
  } while (found >= limit);
  if (!done) return low + (found % range);
  queueMicrotask(() => done(null, low + (found % range)));
  return undefined;
}

export const pbkdf2Sync = (password: Input, salt: Input, iterations: number, length: number, name: string) => Buffer.from(pbkdf2Of(digestOf(name), bytesOf(password), bytesOf(salt), { c: iterations, dkLen: length }));
export function pbkdf2(password: Input, salt: Input, iterations: number, length: number, name: string, done: Done<Buffer>): void {
  later(() => pbkdf2Sync(password, salt, iterations, length, name), done);
}

interface ScryptOptions { N?: number; cost?: number; r?: number; blockSize?: number; p?: number; parallelization?: number; maxmem?: number }
export function scryptSync(password: Input, salt: Input, length: number, options: ScryptOptions = {}): Buffer {
  const { N = options.cost ?? 16384, r = options.blockSize ?? 8, p = options.parallelization ?? 1, maxmem = 32 * 1024 * 1024 } = options;
  return Buffer.from(scryptOf(bytesOf(password), bytesOf(salt), { N, r, p, dkLen: length, maxmem: maxmem + 1024 * 1024 }));
}
export function scrypt(password: Input, salt: Input, length: number, ...rest: [ScryptOptions, Done<Buffer>] | [Done<Buffer>]): void {
  const done = rest.at(-1) as Done<Buffer>;
  later(() => scryptSync(password, salt, length, rest.length > 1 ? (rest[0] as ScryptOptions) : {}), done);
}

export function hkdfSync(name: string, key: Input, salt: Input, info: Input, length: number): ArrayBuffer {
  return new Uint8Array(hkdfOf(digestOf(name), bytesOf(key), bytesOf(salt), bytesOf(info), length)).buffer;
}
export function hkdf(name: string, key: Input, salt: Input, info: Input, length: number, done: Done<ArrayBuffer>): void {
  later(() => hkdfSync(name, key, salt, info, length), done);
}

function later<Value>(make: () => Value, done: Done<Value>): void {
  setTimeout(() => {
    let value: Value;
    try {
      value = make();
    } catch (error) {
      done(error as Error);
      return;
    }
    done(null, value);
  });
}

const refused = (call: string) => (): never => {
  throw Object.assign(new Error(`crypto.${call} is not to be had in a function: crypto.subtle has ciphers, signatures and key pairs.`), { code: 'ERR_FEATURE_UNAVAILABLE_ON_PLATFORM' });
};

export const createCipheriv = refused('createCipheriv'), createDecipheriv = refused('createDecipheriv'), createSign = refused('createSign'), createVerify = refused('createVerify');
export const sign = refused('sign'), verify = refused('verify'), createPrivateKey = refused('createPrivateKey'), createPublicKey = refused('createPublicKey'), generateKey = refused('generateKey');
export const generateKeySync = refused('generateKeySync'), generateKeyPair = refused('generateKeyPair'), generateKeyPairSync = refused('generateKeyPairSync'), publicEncrypt = refused('publicEncrypt');
export const publicDecrypt = refused('publicDecrypt'), privateEncrypt = refused('privateEncrypt'), privateDecrypt = refused('privateDecrypt'), diffieHellman = refused('diffieHellman');
export const createDiffieHellman = refused('createDiffieHellman'), createECDH = refused('createECDH'), getDiffieHellman = refused('getDiffieHellman'), checkPrime = refused('checkPrime');
export const checkPrimeSync = refused('checkPrimeSync'), generatePrime = refused('generatePrime'), generatePrimeSync = refused('generatePrimeSync'), X509Certificate = refused('X509Certificate');
export const getCiphers = () => [], getCurves = () => [], constants = {};

export default {
  webcrypto, subtle, getRandomValues, randomUUID, createHash, createHmac, hash, getHashes, Hash: Digest, Hmac: Digest, KeyObject, createSecretKey, timingSafeEqual, randomFillSync, randomBytes,
  pseudoRandomBytes, rng, randomFill, randomInt, pbkdf2Sync, pbkdf2, scryptSync, scrypt, hkdfSync, hkdf, createCipheriv, createDecipheriv, createSign, createVerify, sign, verify,
  createPrivateKey, createPublicKey, generateKey, generateKeySync, generateKeyPair, generateKeyPairSync, publicEncrypt, publicDecrypt, privateEncrypt, privateDecrypt, diffieHellman,
  createDiffieHellman, createECDH, getDiffieHellman, checkPrime, checkPrimeSync, generatePrime, generatePrimeSync, X509Certificate, getCiphers, getCurves, constants,
};
