// The outbox: every mail and SMS that would have left, with its link and code in working order.
import { ActionIcon, Button, Pagination, Tabs, TextInput } from '@mantine/core';
import { ExternalLink, Mail, MessageSquare, RefreshCw, Search, Trash2 } from 'lucide-react';
import { useDeferredValue, useEffect, useRef, useState } from 'react';
import { useApi, words, type Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Confirm, type Question } from '../parts/Confirm.tsx';
import { Copy } from '../parts/Copy.tsx';
import { Fault } from '../parts/Fault.tsx';
import { ago, count, moment } from '../parts/format.ts';
import { useEvery, useLoaded } from '../parts/loaded.ts';
import { Waiting } from '../parts/Waiting.tsx';
import { clear, kindOf, list, perPage, remove, type Message } from './messages.ts';

const every = 2_000;

export default function Outbox() {
  const api = useApi();
  const [search, setSearch] = useState('');
  const [page, setPage] = useState(1);
  const sought = useDeferredValue(search.trim());
  const { value, fault, reload } = useLoaded(api && (() => list(api, (page - 1) * perPage, sought)), [api, page, sought]);
  const [chosen, choose] = useState<string>();
  const [question, ask] = useState<Question>();
  const [refused, setRefused] = useState<string>();
  useEvery(every, reload);
  useArrivals(value?.messages, `${page} ${sought}`);

  const open = value?.messages.find(({ id }) => id === chosen) ?? value?.messages[0];
  const pages = Math.max(1, Math.ceil((value?.total ?? 0) / perPage));
  const removeOne = async (api: Api, message: Message) => {
    setRefused(undefined);
    try {
      await remove(api, message.id);
      announce('Deleted the message');
      await reload();
    } catch (error) {
      setRefused(words(error));
    }
  };
  return (
    <div className="column wide">
      <div className="bar">
        <h1>Outbox</h1>
        {value && <span className="quiet">{count(value.total, 'message')}</span>}
        <span className="quiet bar-note">Mails and SMS stay here: nothing leaves a browser</span>
        <span className="head-space" />
        {/* It looks for new ones by itself: where there is no room, nobody misses this. */}
        <Button className="wide-only" leftSection={<RefreshCw size={14} aria-hidden />} onClick={() => void reload()} disabled={!api}>Refresh</Button>
        <Button leftSection={<Trash2 size={14} aria-hidden />} disabled={!value?.total} onClick={() => ask({ title: 'Delete every message?', text: 'Their links and codes stay good until they expire.', action: 'Delete', run: async () => { await clear(api!); announce('Deleted every message'); await reload(); } })}>Delete all</Button>
      </div>
      {fault && <Fault title={fault} />}
      {refused && <Fault title={refused} />}
      {!value && !fault && <Waiting what="messages" />}
      {value?.total === 0 && !sought && <p className="quiet empty">No messages. Invite a user, or call supabase.auth.signInWithOtp: what would be sent comes here.</p>}
      {value && (value.total > 0 || sought) && (
        <div className="panes">
          <nav className="list" aria-label="Messages">
            <TextInput aria-label="Search messages" placeholder="Recipient, subject, code" leftSection={<Search size={14} aria-hidden />} value={search} onChange={(event) => { setSearch(event.currentTarget.value); setPage(1); }} />
            {value.total === 0 && <p className="quiet empty">No message matches.</p>}
            <ul>
              {value.messages.map((message) => (
                <li key={message.id} data-open={message.id === open?.id || undefined}>
                  <button type="button" className="list-item message-item" aria-current={message.id === open?.id || undefined} onClick={() => choose(message.id)}>
                    {message.channel === 'email' ? <Mail size={14} aria-label="Mail" role="img" /> : <MessageSquare size={14} aria-label="Text message" role="img" />}
                    <span className="list-name">{message.recipient}</span>
                    <span className="quiet" title={moment(message.created_at)}>{ago(message.created_at)}</span>
                    <span className="quiet message-subject">{message.subject || message.text}</span>
                  </button>
                </li>
              ))}
            </ul>
            {pages > 1 && <Pagination size="xs" mt="xs" withEdges={false} siblings={0} total={pages} value={page} onChange={setPage} getControlProps={(control) => ({ 'aria-label': `${control[0]!.toUpperCase()}${control.slice(1)} page` })} getItemProps={(number) => ({ 'aria-label': `Page ${number}` })} />}
          </nav>
          {open && api && <Reading key={open.id} message={open} remove={() => void removeOne(api, open)} />}
        </div>
      )}
      <Confirm question={question} close={() => ask(undefined)} />
    </div>
  );
}

/** Says aloud what came while one looked at the same list. */
function useArrivals(messages: Message[] | undefined, what: string): void {
  const known = useRef<{ what: string; ids: Set<string> }>(undefined);
  useEffect(() => {
    if (!messages) return;
    const before = known.current?.what === what ? known.current.ids : undefined;
    const fresh = before && messages.find(({ id }) => !before.has(id));
    known.current = { what, ids: new Set(messages.map(({ id }) => id)) };
    if (fresh) announce(`New message to ${fresh.recipient}`);
  }, [messages]);
}

function Reading({ message, remove }: { message: Message; remove: () => void }) {
  const { recipient, subject, sender, created_at, link, code, html, text, delivery, failure } = message;
  return (
    <section className="pane card" aria-label="Message">
      <div className="bar">
        <h2 className="breakable">{subject || `Text message to ${recipient}`}</h2>
        <span className="head-space" />
        <ActionIcon aria-label="Delete the message" onClick={remove}><Trash2 size={15} aria-hidden /></ActionIcon>
      </div>
      <dl className="facts">
        <div className="fact"><dt>To</dt><dd className="breakable">{recipient}</dd></div>
        <div className="fact"><dt>Kind</dt><dd>{kindOf(message)}</dd></div>
        <div className="fact"><dt>Sent</dt><dd>{moment(created_at)}</dd></div>
        {sender && <div className="fact"><dt>From</dt><dd className="breakable">{sender}</dd></div>}
        {delivery !== 'kept' && <div className="fact"><dt>Delivery</dt><dd className="breakable">{delivery === 'sent' ? 'Taken by the mail server' : failure}</dd></div>}
        {code && <div className="fact"><dt>Code</dt><dd><code className="otp">{code}</code><Copy text={code} what="the code" /></dd></div>}
      </dl>
      {link && (
        <p className="url">
          <Button component="a" href={link} target="_blank" rel="noreferrer" variant="filled" leftSection={<ExternalLink size={14} aria-hidden />}>Open the link</Button>
          <code className="breakable">{link}</code>
          <Copy text={link} what="the link" />
        </p>
      )}
      <Tabs defaultValue={html ? 'html' : 'text'} keepMounted={false} mt="sm">
        <Tabs.List>
          {html && <Tabs.Tab value="html">Mail</Tabs.Tab>}
          {text && <Tabs.Tab value="text">Text</Tabs.Tab>}
          {html && <Tabs.Tab value="source">Source</Tabs.Tab>}
        </Tabs.List>
        {/* Without a script, without this origin, and its links open in a tab of their own. */}
        {html && <Tabs.Panel value="html"><iframe className="mail" title="The mail as its reader sees it" sandbox="allow-popups allow-popups-to-escape-sandbox" srcDoc={`<base target="_blank">${html}`} /></Tabs.Panel>}
        {text && <Tabs.Panel value="text"><pre className="mail-text" tabIndex={0} aria-label="Text of the message">{text}</pre></Tabs.Panel>}
        {html && <Tabs.Panel value="source"><pre className="mail-text" tabIndex={0} aria-label="Source of the mail">{html}</pre></Tabs.Panel>}
      </Tabs>
    </section>
  );
}
