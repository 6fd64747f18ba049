// A state in a word, with a dot of its colour.
import type { ReactNode } from 'react';

export function Tone({ tone, children }: { tone: 'good' | 'warn' | 'bad' | 'none'; children: ReactNode }) {
  return <span className="tone" data-tone={tone}><span className="dot" aria-hidden />{children}</span>;
}
