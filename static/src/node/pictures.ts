// Pictures are rendered in a thread of their own, which the first of them starts.
import { Worker } from 'node:worker_threads';
import type { Picture } from '../images/render.ts';

/** What the thread answers: a picture, or why there is none. */
export type Rendered = { picture: Picture } | { error: string };

interface Waiting {
  resolve(picture: Picture): void;
  reject(error: Error): void;
}

/** Renders pictures until it is closed. */
export class Pictures {
  #thread?: Worker;
  /** In the order in which the thread answers them. */
  #waiting: Waiting[] = [];

  render(bytes: Uint8Array, options: string): Promise<Picture> {
    const thread = (this.#thread ??= this.#start());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      thread.postMessage({ bytes, options });
    });
  }

  async close(): Promise<void> {
    await this.#thread?.terminate();
  }

  #start(): Worker {
    const thread = new Worker(new URL('./renderer.mjs', import.meta.url));
    thread.on('message', (rendered: Rendered) => {
      const waiting = this.#waiting.shift();
      if ('picture' in rendered) waiting?.resolve(rendered.picture);
      else waiting?.reject(new Error(rendered.error));
    });
    thread.on('error', (error) => this.#failed(thread, error));
    thread.on('exit', () => this.#failed(thread, new Error('the thread that renders pictures ended')));
    // The process may end while it has nothing to do.
    thread.unref();
    return thread;
  }

  /** Whoever waits is told, and the next picture has a new thread. */
  #failed(thread: Worker, error: Error): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
