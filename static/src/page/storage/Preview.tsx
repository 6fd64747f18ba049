// What is in a file, where a page can show it without running any of it.
import { useEffect, useState } from 'react';
import { words, type Api } from '../gateway/call.ts';
import { Code } from '../parts/Code.tsx';
import { Fault } from '../parts/Fault.tsx';
import { bytes } from '../parts/format.ts';
import { Json } from '../parts/Json.tsx';
import { Waiting } from '../parts/Waiting.tsx';
import { pretty } from '../requests/send.ts';
import { read, sign, type Entry } from './objects.ts';

/** More of a text than this tells no more. */
const textLimit = 128 * 1024;
const imageLimit = 32 * 1024 * 1024;

type Kind = 'image' | 'text' | 'sound' | 'film';

function kindOf({ metadata, name }: Entry): Kind | undefined {
  const type = metadata?.mimetype ?? '';
  if (/^image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml|x-icon|vnd\.microsoft\.icon)/.test(type)) return 'image';
  if (/^(text\/|application\/(json|xml|javascript|x-ndjson|sql|yaml|x-sh)|[^;]+\+(json|xml))/.test(type) || /\.(md|txt|csv|sql|toml|yaml|yml|log|ts|rs)$/i.test(name)) return 'text';
  if (/^audio\//.test(type)) return 'sound';
  if (/^video\//.test(type)) return 'film';
  return undefined;
}

type Shown = { kind: 'image' | 'sound' | 'film'; url: string } | { kind: 'text'; text: string; cut: boolean } | { kind: 'none'; why: string };

async function look(api: Api, bucket: string, name: string, entry: Entry, signal: AbortSignal): Promise<Shown> {
  const kind = kindOf(entry);
  const size = entry.metadata?.size ?? 0;
  if (!kind) return { kind: 'none', why: 'No preview for this type.' };
  if (size === 0) return { kind: 'none', why: 'The file is empty.' };
  // Sound and film are read in parts, as they play.
  if (kind === 'sound' || kind === 'film') return { kind, url: await sign(api, bucket, name, 3600) };
  if (kind === 'image') {
    if (size > imageLimit) return { kind: 'none', why: `Too large to preview: ${bytes(size)}.` };
    return { kind, url: URL.createObjectURL(await (await read(api, bucket, name, undefined, signal)).blob()) };
  }
  const cut = size > textLimit;
  const text = await (await read(api, bucket, name, cut ? textLimit : undefined, signal)).text();
  return { kind, text: cut ? text : pretty(text), cut };
}

export function Preview({ api, bucket, name, entry }: { api: Api; bucket: string; name: string; entry: Entry }) {
  const [shown, show] = useState<Shown>();
  const [fault, setFault] = useState<string>();
  useEffect(() => {
    const stop = new AbortController();
    let url: string | undefined;
    show(undefined);
    setFault(undefined);
    look(api, bucket, name, entry, stop.signal).then(
      (found) => {
        if ('url' in found && found.url.startsWith('blob:')) url = found.url;
        if (stop.signal.aborted) {
          if (url) URL.revokeObjectURL(url);
        } else show(found);
      },
      (error: unknown) => {
        if (!stop.signal.aborted) setFault(words(error));
      },
    );
    return () => {
      stop.abort();
      if (url) URL.revokeObjectURL(url);
    };
  }, [api, bucket, name, entry]);

  if (fault) return <Fault title={fault} />;
  if (!shown) return <Waiting what="the file" />;
  return (
    <section aria-label="Preview" className="preview">
      {shown.kind === 'image' && <img src={shown.url} alt={`Preview of ${entry.name}`} />}
      {shown.kind === 'sound' && <audio controls src={shown.url} aria-label={`Sound of ${entry.name}`} />}
      {shown.kind === 'film' && <video controls src={shown.url} aria-label={`Film ${entry.name}`} />}
      {shown.kind === 'text' && <Code wrap what="the text" text={shown.text} shown={<Json text={shown.text} />} />}
      {shown.kind === 'text' && shown.cut && <p className="quiet">The first {bytes(textLimit)}.</p>}
      {shown.kind === 'none' && <p className="quiet">{shown.why}</p>}
    </section>
  );
}
