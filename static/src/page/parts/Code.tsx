// A block of code with a copy button.
import { type ReactNode } from 'react';
import { Copy } from './Copy.tsx';

interface Props { text: string; what: string; shown?: ReactNode; title?: string; wrap?: boolean }

/** `shown` may be coloured or masked; `text` is what is copied. Lines are kept unless they may `wrap`. */
export function Code({ text, what, shown, title, wrap = false }: Props) {
  return (
    <div className="code" data-wrap={wrap || undefined}>
      {title && <div className="code-title">{title}</div>}
      <pre tabIndex={0} aria-label={what}>{shown ?? text}</pre>
      <div className="code-copy"><Copy text={text} what={what} /></div>
    </div>
  );
}
