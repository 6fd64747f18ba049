// The list of a zip's files, and each when it is asked for: the archive itself is never in memory as a whole.
// APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
import { inflateSync } from 'fflate';
import type { AppFile } from './files.ts';

const endSize = 22;
const longestComment = 0xffff;

/** Throws, in words for a person, at what is no zip or a kind that is not read. */
export async function openZip(zip: Blob): Promise<AppFile[]> {
  const tail = new DataView(await zip.slice(Math.max(0, zip.size - endSize - longestComment)).arrayBuffer());
  let end = tail.byteLength - endSize;
  while (end >= 0 && tail.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < 0) throw new Error('This is no zip archive, or its end is missing.');
  const count = tail.getUint16(end + 10, true);
  const size = tail.getUint32(end + 12, true);
  const start = tail.getUint32(end + 16, true);
  if (count === 0xffff || start === 0xffffffff) throw new Error('This is a Zip64 archive, for more than 65,535 files or 4 GB. Unpack it and drop the folder.');
  const directory = new DataView(await zip.slice(start, start + size).arrayBuffer());
  const files: AppFile[] = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    if (at + 46 > directory.byteLength || directory.getUint32(at, true) !== 0x02014b50) throw new Error('The archive’s list of files is damaged.');
    const flags = directory.getUint16(at + 8, true);
    const method = directory.getUint16(at + 10, true);
    const packed = directory.getUint32(at + 20, true);
    const unpacked = directory.getUint32(at + 24, true);
    const nameLength = directory.getUint16(at + 28, true);
    const offset = directory.getUint32(at + 42, true);
    // Names without the UTF-8 flag are cp437 by the letter and UTF-8 by custom.
    const path = new TextDecoder().decode(new Uint8Array(directory.buffer, at + 46, nameLength)).replaceAll('\\', '/');
    at += 46 + nameLength + directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
    if (path.endsWith('/')) continue;
    if (flags & 1) throw new Error(`${path} is encrypted: an archive with a password cannot be deployed.`);
    if (method !== 0 && method !== 8) throw new Error(`${path} is packed by a method that is not read here (${method}). Pack it as a plain zip.`);
    files.push({ path, size: unpacked, open: () => entry(zip, path, offset, packed, unpacked, method) });
  }
  return files;
}

async function entry(zip: Blob, path: string, offset: number, packed: number, unpacked: number, method: number): Promise<Blob> {
  const head = new DataView(await zip.slice(offset, offset + 30).arrayBuffer());
  if (head.byteLength < 30 || head.getUint32(0, true) !== 0x04034b50) throw new Error(`The archive is damaged at ${path}.`);
  const start = offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  const stored = zip.slice(start, start + packed);
  if (method === 0) return stored;
  try {
    return new Blob([inflateSync(new Uint8Array(await stored.arrayBuffer()), { out: new Uint8Array(unpacked) }) as Uint8Array<ArrayBuffer>]);
  } catch {
    throw new Error(`The archive is damaged at ${path}.`);
  }
}
