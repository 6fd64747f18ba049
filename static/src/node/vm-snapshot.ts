// Makes the snapshots of an image: `node vm-snapshot.mjs FOLDER` boots the image in that folder, writes what it saved of each
// machine beside the manifest, and prints, as its last line, what belongs into the manifest's `snapshots`.
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { loadMachine, machineHost } from './machine.ts';

/** MiB that a machine has unless it is told otherwise. */
const memory = 512;
const compression = 6;

/** The layers of each machine, as far as the image has them. */
function machines(layers: string[]): string[][] {
  const [base = 'base', ...runtimes] = layers;
  const single = runtimes.map((runtime) => [base, runtime]);
  return [[base], ...single, ...(runtimes.length > 1 ? [[base, ...runtimes]] : [])];
}

async function main(folder: string): Promise<void> {
  const manifest = JSON.parse(readFileSync(path.join(folder, 'manifest.json'), 'utf8')) as { layers: { name: string }[] };
  const glue = loadMachine();
  const snapshots = [];
  for (const layers of machines(manifest.layers.map(({ name }) => name))) {
    const begun = performance.now();
    const console: string[] = [];
    const state = await glue.Bare.snapshot(machineHost(folder), memory, layers, (line) => console.push(line)).catch((error: unknown) => {
      throw new Error(`No machine with ${layers.join(', ')} could be saved: ${error instanceof Error ? error.message : String(error)}\n${console.slice(-40).join('\n')}`);
    });
    const packed = gzipSync(state, { level: compression });
    const sha256 = createHash('sha256').update(packed).digest('hex');
    const name = `${sha256}.bin`;
    // Whole or not at all: this may be interrupted.
    writeFileSync(path.join(folder, `${name}.part`), packed);
    renameSync(path.join(folder, `${name}.part`), path.join(folder, name));
    const size = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
    process.stderr.write(`  snapshot with ${layers.join(', ')}: ${size(packed.length)}, unpacked ${size(state.length)}, in ${((performance.now() - begun) / 1000).toFixed(1)} s\n`);
    snapshots.push({ memory, layers, path: name, bytes: packed.length, sha256 });
  }
  process.stdout.write(`${JSON.stringify(snapshots)}\n`);
}

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('usage: node vm-snapshot.mjs FOLDER\n');
  process.exit(2);
}
main(folder).then(() => process.exit(0), (error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
