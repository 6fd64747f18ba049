// JSON with its strings, numbers and names told apart by colour.
import { memo, type ReactNode } from 'react';

const token = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** Above this many characters the text is shown plain: thousands of elements cost more than they tell. */
const limit = 60_000;

export const Json = memo(function Json({ text }: { text: string }) {
  if (text.length > limit) return <>{text}</>;
  const parts: ReactNode[] = [];
  let end = 0;
  for (const match of text.matchAll(token)) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    const [whole, string, colon] = match;
    const kind = colon ? 'json-name' : string ? 'json-string' : /^[tfn]/.test(whole) ? 'json-word' : 'json-number';
    parts.push(<span key={match.index} className={kind}>{string ?? whole}</span>, colon ?? '');
    end = match.index + whole.length;
  }
  parts.push(text.slice(end));
  return <>{parts}</>;
});
