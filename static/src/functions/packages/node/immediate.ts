// `setImmediate`: after what is under way and its promises, before timers are next looked at.
type Task = () => void;

const waiting = new Map<number, Task>();
let last = 0;
let channel: MessageChannel | undefined;

export function setImmediate<Arguments extends unknown[]>(callback: (...given: Arguments) => void, ...given: Arguments): number {
  if (!channel) {
    channel = new MessageChannel();
    channel.port1.onmessage = ({ data }) => {
      const task = waiting.get(data as number);
      waiting.delete(data as number);
      task?.();
    };
  }
  last += 1;
  waiting.set(last, () => callback(...given));
  channel.port2.postMessage(last);
  return last;
}

export function clearImmediate(id: number | undefined): void {
  if (id !== undefined) waiting.delete(id);
}
