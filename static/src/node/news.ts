// What reached the process while it was busy.
import { setImmediate } from 'node:timers/promises';

/** Resolves when what is in the sockets now was heard: from a connection's end to whoever it concerns takes a few turns. */
export async function news(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await setImmediate();
}
