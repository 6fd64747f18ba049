// What comes over the network: kept, and checked whenever it is taken up again.
import { joined } from '../../bytes.ts';
import type { Fetched, World } from './world.ts';
import { Fault } from './problems.ts';

/** More than any package needs, and less than what ends a tab. */
const largest = 64 * 1024 * 1024;

export class Remote {
  readonly #under = new Map<string, Promise<Fetched>>();

  constructor(readonly world: Pick<World, 'fetch' | 'kept'>, readonly reload: boolean) {}

  /**
   * What never changes at its address. `check` throws for other bytes: kept ones are then fetched anew, fetched ones are
   * refused.
   */
  fixed(url: string, check: (fetched: Fetched) => Promise<void> = async () => undefined): Promise<Fetched> {
    return this.#once(url, async () => {
      const kept = this.reload ? undefined : await this.world.kept.get(url);
      if (kept && (await check(kept).then(() => true, () => false))) return kept;
      const fetched = await this.#fetch(url, {});
      await check(fetched);
      await this.world.kept.put(url, fetched);
      return fetched;
    });
  }

  /** What changes: asked for again each time, and what was kept where there is no network. */
  current(url: string, headers: Record<string, string> = {}): Promise<Fetched> {
    return this.#once(url, async () => {
      try {
        const fetched = await this.#fetch(url, headers);
        await this.world.kept.put(url, fetched);
        return fetched;
      } catch (error) {
        const kept = error instanceof Unreachable ? await this.world.kept.get(url) : undefined;
        if (kept) return kept;
        throw error;
      }
    });
  }

  #once(url: string, get: () => Promise<Fetched>): Promise<Fetched> {
    const known = this.#under.get(url) ?? get();
    this.#under.set(url, known);
    return known;
  }

  async #fetch(url: string, headers: Record<string, string>): Promise<Fetched> {
    let response: Response;
    try {
      response = await this.world.fetch(url, { headers });
    } catch (error) {
      const cause = (error as { cause?: { message?: string } }).cause?.message ?? (error as Error).message;
      throw new Unreachable(`${new URL(url).host} cannot be reached (${cause}): there is no network, or it does not let this page read from it`);
    }
    if (response.status === 404) throw new Missing(`${url} does not exist (404)`);
    if (!response.ok) throw new Fault(`${url} answers ${response.status}`);
    const bytes = await whole(response, url);
    return { url: response.url || url, type: (response.headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase(), bytes };
  }
}

/** No answer at all. */
export class Unreachable extends Fault {}
/** The answer is that there is no such thing. */
export class Missing extends Fault {}

async function whole(response: Response, url: string): Promise<Uint8Array> {
  try {
    return await upTo(largest, response.body, () => new Fault(`${url} is larger than ${largest / 1024 / 1024} MB.`));
  } catch (error) {
    throw error instanceof Fault ? error : new Unreachable(`${url} ended too early (${(error as Error).message})`);
  }
}

/** All of a stream, unless it is longer than `most` bytes. */
export async function upTo(most: number, stream: ReadableStream<Uint8Array> | null, tooLong: () => Error): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = stream?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    length += next.value.length;
    if (length > most) {
      await reader?.cancel().catch(() => undefined);
      throw tooLong();
    }
    parts.push(next.value);
  }
  return joined(parts);
}
