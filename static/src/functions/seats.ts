// The page's part in isolates: hidden frames of origins of their own, one for each. Nothing of it is fetched before a function
// is asked for; from then on, one frame more than there are isolates waits for the next.
import type { FromFrame, ToFrame } from './messages.ts';

/** Nothing but blobs the frame makes itself is run, and nothing is reached: not even this origin. */
const policy = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; worker-src blob:; connect-src blob: data:";
/** Milliseconds after which a frame is made in advance: whoever is answered now has the processor first. */
const soon = 500;

let scripts: Promise<[string, string]> | undefined;

export class Seats {
  readonly #seats = new Map<number, Seat>();
  #spare: Seat | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Makes an isolate: it hears and speaks on the first port; the frame, of what becomes of it, on the other. */
  async make(id: number, port: MessagePort, own: MessagePort): Promise<void> {
    const seat = this.#spare ?? new Seat();
    this.#spare = undefined;
    this.#seats.set(id, seat);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#prepare(), soon);
    try {
      await seat.ready;
      seat.tell({ kind: 'start' }, [port, own]);
    } catch (error) {
      own.postMessage({ kind: 'gone', text: `The isolate’s runtime did not load: ${error instanceof Error ? error.message : String(error)}` } satisfies FromFrame);
      this.end(id);
    }
  }

  #prepare(): void {
    if (this.#spare) return;
    const seat = new Seat();
    this.#spare = seat;
    seat.ready.catch(() => {
      // The next isolate tries anew.
      if (this.#spare === seat) this.#spare = undefined;
    });
  }

  end(id: number): void {
    this.#seats.get(id)?.end();
    this.#seats.delete(id);
  }

  /** Ends all. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#spare?.end();
    this.#spare = undefined;
    for (const id of [...this.#seats.keys()]) this.end(id);
  }
}

/** A frame with a worker in it that waits to be told what it is. */
class Seat {
  readonly #frame = document.createElement('iframe');
  /** Never done for one that was ended before. */
  readonly ready = this.#begin();
  #over = false;

  async #begin(): Promise<void> {
    const [script, outer] = await (scripts ??= load().catch((error: unknown) => {
      scripts = undefined;
      throw error;
    }));
    const frame = this.#frame;
    frame.hidden = true;
    frame.setAttribute('sandbox', 'allow-scripts');
    // It may measure the memory it takes where the page may.
    frame.allow = 'cross-origin-isolated *';
    frame.srcdoc = `<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><script>${outer.replaceAll('</', '<\\/')}</script>`;
    const loaded = new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }));
    if (!this.#over) document.body.append(frame);
    await loaded;
    this.tell({ kind: 'prepare', script });
  }

  /** An origin of its own has no name that a message could be for. */
  tell(message: ToFrame, transfer: Transferable[] = []): void {
    this.#frame.contentWindow?.postMessage(message, '*', transfer);
  }

  end(): void {
    this.#over = true;
    this.#frame.remove();
  }
}

async function load(): Promise<[string, string]> {
  return Promise.all([text(ISOLATE_SCRIPT), text(ISOLATE_FRAME)]);
}

/** A file of the build. The service worker keeps it for when the network is away. */
async function text(name: string): Promise<string> {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  return response.text();
}
