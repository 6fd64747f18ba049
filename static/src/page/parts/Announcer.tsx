// What changes on the page, said to those who cannot see it change.
import { useEffect, useState } from 'react';

const listeners = new Set<(text: string) => void>();

/** Says `text` politely through the page's one live region. */
export function announce(text: string): void {
  for (const listener of listeners) listener(text);
}

export function Announcer() {
  const [said, say] = useState({ text: '', count: 0 });
  useEffect(() => {
    const listener = (text: string) => say(({ count }) => ({ text, count: count + 1 }));
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  // A new key makes the same words be said again.
  return <div className="unseen" role="status" aria-live="polite"><span key={said.count}>{said.text}</span></div>;
}
