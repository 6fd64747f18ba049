// A machine in this process, whose guest runs one script of the shell instead of its agent.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

const dist = path.resolve(import.meta.dirname, '../../static/dist');
export const image = path.join(dist, 'vm');

/** Why there is nothing to test: `cargo xtask image` says what it needs. */
export const skip = existsSync(path.join(image, 'manifest.json')) ? false : 'there is no image: run `cargo xtask image`';

const { loadMachine, machineHost } = await import(path.join(dist, 'node/machine.mjs'));

/**
 * `script` is what the guest does; it must not contain a double quote. `change` changes what the machine is given: the host,
 * or the manifest. `disk` is a folder, or nothing.
 */
export function machine({ script, disk, host: changeHost = () => undefined, manifest: changeManifest = () => undefined }) {
  const host = machineHost(image, disk);
  const { fetch } = host;
  host.fetch = async (name, ...rest) => {
    if (name !== 'manifest.json') return fetch(name, ...rest);
    const manifest = JSON.parse(readFileSync(path.join(image, name), 'utf8'));
    manifest.snapshots = [];
    manifest.kernel.command_line = `${manifest.kernel.command_line.replace(/init=\S+/, 'init=/bin/sh')} panic=-1 -- -c "${script}; sleep 100000"`;
    changeManifest(manifest);
    return new TextEncoder().encode(JSON.stringify(manifest));
  };
  changeHost(host);
  const heard = [];
  const waiting = new Set();
  const bare = new (loadMachine().Bare)(host, 'v86', (word, value) => {
    if (word === 'frame' || word === 'progress') return;
    heard.push({ word, value });
    for (const look of waiting) look();
  });
  /** Resolves with the first thing that is heard, in the order in which it comes, and that `fits`. */
  let from = 0;
  const next = (description, fits) => new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      waiting.delete(look);
      reject(new Error(`${description} was not heard, but\n${heard.slice(-20).map(({ word, value }) => `${word}: ${value}`).join('\n')}`));
    }, 120_000);
    const look = () => {
      for (; from < heard.length; from += 1) {
        if (!fits(heard[from])) continue;
        clearTimeout(late);
        waiting.delete(look);
        resolve(heard[from++].value);
        return;
      }
    };
    waiting.add(look);
    look();
  });
  return {
    bare,
    heard,
    boot: (snapshot = false, memory = 256) => bare.boot(memory, ['base'], snapshot),
    /** A line of the console that begins so; what follows in it. */
    line: async (start) => (await next(`"${start}"`, ({ word, value }) => word === 'console' && value.startsWith(start))).slice(start.length).trim(),
    /** The guest has to wait; why. */
    stuck: () => next('stuck', ({ word }) => word === 'stuck'),
    stop: () => bare.stop(),
  };
}
