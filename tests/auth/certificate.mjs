// A certificate for this machine that signs itself (RFC 5280), so that a test's provider can be at an https address.
import { generateKeyPairSync, sign } from 'node:crypto';

const der = (tag, ...parts) => {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
};
const sequence = (...parts) => der(0x30, ...parts);
const hex = (text) => Buffer.from(text, 'hex');
const ecdsaWithSha256 = sequence(hex('06082a8648ce3d040302'));
/** An extension by its object identifier. */
const extension = (identifier, value) => sequence(hex(identifier), der(0x04, value));
const utc = (date) => der(0x17, Buffer.from(`${date.toISOString().replaceAll(/[-:T]/g, '').slice(2, 14)}Z`));

/** `{ key, cert }` in PEM, for 127.0.0.1 and a day. */
export function certificate() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = sequence(der(0x31, sequence(hex('0603550403'), der(0x0c, Buffer.from('a test')))));
  const day = 24 * 60 * 60 * 1000;
  const body = sequence(
    der(0xa0, hex('020102')), hex('020101'), ecdsaWithSha256, name,
    sequence(utc(new Date(Date.now() - day)), utc(new Date(Date.now() + day))), name,
    publicKey.export({ type: 'spki', format: 'der' }),
    // It may sign, and is for the address.
    der(0xa3, sequence(extension('0603551d13', sequence(hex('0101ff'))), extension('0603551d11', sequence(der(0x87, hex('7f000001')))))),
  );
  const whole = sequence(body, ecdsaWithSha256, der(0x03, hex('00'), sign('sha256', body, privateKey)));
  const cert = `-----BEGIN CERTIFICATE-----\n${whole.toString('base64').replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }), cert };
}
