// `gateway.vm`: the project's virtual machine.
import type { VmStatus } from '../page/vm/vm.ts';
import { parts, post, type Call } from './call.ts';

export type { VmStatus };

export interface Vm {
  /** How it is; asking starts nothing. */
  status(): Promise<VmStatus>;
  /** Starts it, if it does not run. */
  start(): Promise<VmStatus>;
  stop(): Promise<VmStatus>;
  restart(): Promise<VmStatus>;
  /** Its status each time it changes, from now on, until the stream ends or whoever reads it stops. */
  events(options?: { signal?: AbortSignal }): AsyncGenerator<VmStatus, void, undefined>;
}

export function vm(call: Call): Vm {
  const at = async (path: string, init?: RequestInit) => (await call(`/gateway/vm${path}`, init)).json() as Promise<VmStatus>;
  return {
    status: () => at(''),
    start: () => at('/start', post),
    stop: () => at('/stop', post),
    restart: () => at('/restart', post),
    async *events(options) {
      yield* parts<VmStatus>(await call('/gateway/vm/events', options));
    },
  };
}
