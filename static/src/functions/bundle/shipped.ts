// The packages that come with the project: read when one is first imported, and then held.
import { unzip, type Files } from './archive.ts';
import { verify } from './integrity.ts';
import type { Archive, World } from './world.ts';

export class Shipped {
  readonly #read = new Map<string, Promise<Files>>();

  constructor(readonly world: World['shipped']) {}

  version(name: string): string | undefined {
    return this.#entry(name)?.version;
  }

  integrity(name: string): string | undefined {
    return this.#entry(name)?.integrity;
  }

  #entry(name: string) {
    return Object.hasOwn(this.world.catalogue.npm, name) ? this.world.catalogue.npm[name] : undefined;
  }

  async npm(name: string): Promise<Files> {
    return this.#files(this.#entry(name)!);
  }

  /** The project's own modules. */
  async own(): Promise<Files> {
    return this.#files(this.world.catalogue.own);
  }

  #files({ file, archive }: Archive): Promise<Files> {
    const known = this.#read.get(file) ?? this.#open(file, archive);
    this.#read.set(file, known);
    // What failed, for want of a network, is tried again by the next bundle.
    known.catch(() => this.#read.delete(file));
    return known;
  }

  async #open(file: string, archive: string): Promise<Files> {
    const bytes = await this.world.read(file);
    await verify(file, bytes, archive);
    return unzip(bytes);
  }
}
