// An answer: status, time and size at a glance, then its body and headers.
import { Button, Loader, Tabs } from '@mantine/core';
import { useMemo, useState } from 'react';
import { Copy } from '../parts/Copy.tsx';
import { bytes, milliseconds } from '../parts/format.ts';
import { Json } from '../parts/Json.tsx';
import { pretty, type Answer, type Reply } from './send.ts';

/** Characters drawn before one asks for all of them. */
const shown = 100_000;

export function ReplyView({ reply, sending }: { reply: Reply | undefined; sending: boolean }) {
  return (
    <section className="card reply" aria-label="Answer" aria-busy={sending}>
      {sending && reply?.kind !== 'answer' && <p className="quiet waiting"><Loader size={14} /> Waiting for the answer…</p>}
      {!sending && !reply && <p className="quiet">The answer comes here.</p>}
      {!sending && reply?.kind === 'failure' && <p role="alert" className="bad">No answer: {reply.message}</p>}
      {reply?.kind === 'answer' && <Shown reply={reply} coming={sending} />}
    </section>
  );
}

function Shown({ reply, coming }: { reply: Answer; coming: boolean }) {
  // JSON that is not whole is no JSON yet.
  const body = useMemo(() => (coming ? reply.body : pretty(reply.body)), [reply, coming]);
  const [all, setAll] = useState(false);
  const text = all ? body : body.slice(0, shown);
  const tone = reply.status >= 500 ? 'bad' : reply.status >= 400 ? 'bad' : reply.status >= 300 ? 'warn' : 'good';
  return (
    <>
      <div className="statement-head">
        <strong className="status" data-tone={tone}>{reply.status} {reply.statusText || reason(reply.status)}</strong>
        <span className="quiet">{milliseconds(reply.milliseconds)}</span>
        <span className="quiet">{bytes(reply.size)}</span>
        {coming && <span className="quiet waiting" role="status"><Loader size={12} /> More is coming…</span>}
        <span className="head-space" />
        {body && <Copy label="Body" what="the body" text={body} />}
      </div>
      {reply.broken !== undefined && <p role="alert" className="bad">It broke off: {reply.broken}</p>}
      <Tabs defaultValue="body" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="body">Body</Tabs.Tab>
          <Tabs.Tab value="headers">Headers ({reply.headers.length})</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="body">
          {reply.binary ? <p className="quiet">Binary, {bytes(reply.size)}.</p> : body === '' ? <p className="quiet">No body.</p> : <pre className="reply-body" tabIndex={0} aria-label="Body"><Json text={text} /></pre>}
          {text.length < body.length && <Button onClick={() => setAll(true)}>Show all {bytes(body.length)}</Button>}
        </Tabs.Panel>
        <Tabs.Panel value="headers">
          <dl className="reply-headers" tabIndex={0} aria-label="Headers">
            {reply.headers.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
          </dl>
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

/** Answers of a service worker often come without a reason phrase. */
function reason(status: number): string {
  const phrases: Record<number, string> = { 200: 'OK', 201: 'Created', 204: 'No Content', 206: 'Partial Content', 304: 'Not Modified', 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 406: 'Not Acceptable', 409: 'Conflict', 413: 'Content Too Large', 415: 'Unsupported Media Type', 416: 'Range Not Satisfiable', 500: 'Internal Server Error', 501: 'Not Implemented', 503: 'Service Unavailable' };
  return phrases[status] ?? '';
}
