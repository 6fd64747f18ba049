// What a machine in Node is given: an image in a folder, and a disk in another, or in memory.
import { closeSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { instantiate, type DiskFile, type Glue, type Host } from 'glue:machine';
import wasm from '../../generated/machine/machine_bg.wasm';
import { hash, unpack } from '../vm/bytes.ts';
import { isolate } from './isolates.ts';
import { emulate } from '../vm/v86.ts';

export function loadMachine(): Glue {
  const glue = instantiate({ queueMicrotask, guard: (callback) => callback });
  glue.initSync({ module: new WebAssembly.Module(readFileSync(new URL(wasm, import.meta.url))) });
  return glue;
}

/** A host for functions alone: nothing boots on it. */
export function withoutImage(): Host {
  const none = async () => Promise.reject(new Error('This host has no virtual machine.'));
  return { fetch: none, kept: async () => undefined, keep: () => undefined, forget: () => undefined, unpack, hash, open: none, prepare: none, emulate: none, cheerpx: none, isolate, runtime };
}

/** `disk` is the folder of the guest's disk; without one it is gone when this process ends. */
export function machineHost(image: string, disk?: string): Host {
  let engine: Promise<WebAssembly.Module> | undefined;
  const compiled = () => (engine ??= readFile(new URL('v86.wasm', import.meta.resolve('v86'))).then((bytes) => WebAssembly.compile(bytes)));
  return {
    async fetch(name) {
      return new Uint8Array(await readFile(path.join(image, name)));
    },
    // What is in a folder need not be kept elsewhere.
    kept: async () => undefined,
    keep: () => undefined,
    forget: () => undefined,
    unpack,
    hash,
    open: async (name) => (disk === undefined ? inMemory() : inFolder(disk, name)),
    prepare: compiled,
    emulate: async (options) => emulate(await compiled(), options),
    cheerpx: async () => Promise.reject(new Error('CheerpX runs in browsers only.')),
    isolate,
    runtime,
  };
}

const runtime = () => readFile(new URL(GUEST_ISOLATE, import.meta.url), 'utf8');

function inFolder(directory: string, name: string): DiskFile {
  mkdirSync(directory, { recursive: true });
  const file = openSync(path.join(directory, name), 'a+');
  closeSync(file);
  const handle = openSync(path.join(directory, name), 'r+');
  return {
    getSize: () => fstatSync(handle).size,
    read: (into, { at }) => readSync(handle, into, 0, into.length, at),
    write: (bytes, { at }) => writeSync(handle, bytes, 0, bytes.length, at),
    truncate: (length) => ftruncateSync(handle, length),
    flush: () => fsyncSync(handle),
    close: () => closeSync(handle),
  };
}

function inMemory(): DiskFile {
  let bytes = new Uint8Array(0);
  let size = 0;
  return {
    getSize: () => size,
    read(into, { at }) {
      const part = bytes.subarray(at, Math.min(size, at + into.length));
      into.set(part);
      return part.length;
    },
    write(part, { at }) {
      const end = at + part.length;
      if (end > bytes.length) {
        const larger = new Uint8Array(Math.max(end, 2 * bytes.length));
        larger.set(bytes);
        bytes = larger;
      }
      bytes.set(part, at);
      size = Math.max(size, end);
      return part.length;
    },
    truncate(length) {
      bytes = bytes.slice(0, length);
      size = length;
    },
    flush: () => undefined,
    close: () => undefined,
  };
}
