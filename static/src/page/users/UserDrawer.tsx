// One user: what is known, how one may sign in, what is open, and what can be done about it.
import { Button, Drawer } from '@mantine/core';
import { useState, type ReactNode } from 'react';
import { words, type Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Code } from '../parts/Code.tsx';
import { Confirm, type Question } from '../parts/Confirm.tsx';
import { Copy } from '../parts/Copy.tsx';
import { Fault } from '../parts/Fault.tsx';
import { ago, moment } from '../parts/format.ts';
import { Json } from '../parts/Json.tsx';
import { useLoaded } from '../parts/loaded.ts';
import { Tone } from '../parts/Tone.tsx';
import { Waiting } from '../parts/Waiting.tsx';
import * as users from './users.ts';
import type { Factor, Session, User } from './users.ts';

interface Props { api: Api; id: string | undefined; close: () => void; changed: () => Promise<void> }

export function UserDrawer({ api, id, close, changed }: Props) {
  return (
    <Drawer opened={id !== undefined} onClose={close} position="right" size="lg" title="User" closeButtonProps={{ 'aria-label': 'Close' }}>
      {id !== undefined && <Details api={api} id={id} close={close} changed={changed} />}
    </Drawer>
  );
}

interface Known { user: User; sessions: Session[]; factors: Factor[] }

function Details({ api, id, close, changed }: Props & { id: string }) {
  const { value, fault, reload } = useLoaded<Known>(async () => {
    const [user, sessions, factors] = await Promise.all([users.get(api, id), users.sessions(api, id), users.factors(api, id)]);
    return { user, sessions, factors };
  }, [api, id]);
  const [question, ask] = useState<Question>();
  const [refused, setRefused] = useState<string>();
  const [said, say] = useState<ReactNode>();
  if (!value) return fault ? <Fault title={fault} /> : <Waiting what="the user" />;
  const { user, sessions, factors } = value;
  const name = users.nameOf(user);

  const after = async (what: string) => {
    announce(what);
    say(what);
    await Promise.all([reload(), changed()]);
  };
  /** Does what needs no question, and says that it did. */
  const act = async (run: () => Promise<unknown>, what: string, mail = false) => {
    setRefused(undefined);
    say(undefined);
    try {
      await run();
      await after(what);
      if (mail) say(<>{what}. It is in the <a href="#/outbox" onClick={close}>outbox</a>.</>);
    } catch (error) {
      setRefused(words(error));
    }
  };
  const { word, tone } = users.standing(user);
  const banned = word === 'Banned';
  const { email, phone } = user;

  return (
    <div className="stack">
      <div className="bar">
        <h2 className="breakable">{name}</h2>
        <Tone tone={tone}>{word}</Tone>
      </div>
      <div className="actions">
        {!users.confirmedAt(user) && !user.is_anonymous && <Button onClick={() => void act(() => users.change(api, id, { ...(email && { email_confirm: true }), ...(phone && { phone_confirm: true }) }), `Confirmed ${name}`)}>Confirm</Button>}
        {email && <Button onClick={() => void act(() => users.sendRecovery(api, email), 'Sent a recovery mail', true)}>Send recovery</Button>}
        {email && <Button onClick={() => void act(() => users.sendMagicLink(api, email), 'Sent a magic link', true)}>Send magic link</Button>}
        {phone && <Button onClick={() => void act(() => users.sendCode(api, phone), 'Sent a code', true)}>Send code</Button>}
        {banned
          ? <Button onClick={() => void act(() => users.change(api, id, { ban_duration: 'none' }), `Unbanned ${name}`)}>Unban</Button>
          : <Button onClick={() => ask({ title: `Ban ${name}?`, text: 'A banned user cannot sign in or refresh a session. Tokens that are out stay good until they expire.', action: 'Ban', run: async () => { await users.change(api, id, { ban_duration: users.forever }); await after(`Banned ${name}`); } })}>Ban</Button>}
        <Button color="red" variant="outline" onClick={() => ask({ title: `Delete ${name}?`, text: 'The user goes, with every identity, session and factor. Rows of yours that refer to it do what their foreign keys say.', action: 'Delete', run: async () => { await users.remove(api, id); announce(`Deleted ${name}`); close(); await changed(); } })}>Delete</Button>
      </div>
      {refused && <Fault title={refused} />}
      {said && <p className="good" role="status">{said}</p>}
      <dl className="facts">
        <Fact name="ID"><code className="breakable">{user.id}</code><Copy text={user.id} what="the user’s ID" /></Fact>
        {phone && email && <Fact name="Phone">+{phone}</Fact>}
        <Fact name="Created">{moment(user.created_at)}</Fact>
        <Fact name="Confirmed">{moment(users.confirmedAt(user)) || 'not yet'}</Fact>
        {user.invited_at && <Fact name="Invited">{moment(user.invited_at)}</Fact>}
        <Fact name="Last sign-in">{moment(user.last_sign_in_at) || 'never'}</Fact>
        {banned && <Fact name="Banned until">{moment(user.banned_until)}</Fact>}
      </dl>
      <Part title="Identities" empty="None: this user signs in by no provider." items={user.identities ?? []}>
        {(identity) => <li key={identity.identity_id}><span className="item-main">{identity.provider}</span><span className="quiet">{String(identity.identity_data?.email ?? identity.identity_data?.sub ?? '')}</span><span className="quiet">{identity.last_sign_in_at && `used ${ago(identity.last_sign_in_at)}`}</span></li>}
      </Part>
      <Part title="Multi-factor" empty="No factor is enrolled." items={factors}>
        {(factor) => (
          <li key={factor.id}>
            <span className="item-main">{factor.friendly_name || factor.factor_type}</span>
            <span className="quiet">{factor.factor_type}</span>
            <Tone tone={factor.status === 'verified' ? 'good' : 'warn'}>{factor.status}</Tone>
            <Button size="compact-xs" onClick={() => ask({ title: 'Remove this factor?', text: `${name} signs in without it from now on.`, action: 'Remove', run: async () => { await users.removeFactor(api, id, factor.id); await after('Removed a factor'); } })}>Remove</Button>
          </li>
        )}
      </Part>
      <Part title="Sessions" empty="Signed in nowhere." items={sessions}>
        {(session) => (
          <li key={session.id}>
            <span className="item-main" title={session.user_agent ?? ''}>{session.user_agent || 'Unknown client'}</span>
            <span className="quiet">{session.aal ?? 'aal1'}</span>
            <span className="quiet" title={moment(session.created_at)}>since {ago(session.created_at)}</span>
          </li>
        )}
      </Part>
      {sessions.length > 0 && <Button className="start" onClick={() => ask({ title: `Sign ${name} out everywhere?`, text: 'Every session ends: nothing can be refreshed any more.', action: 'Sign out', run: async () => { await users.signOut(api, id); await after(`Signed ${name} out`); } })}>Sign out everywhere</Button>}
      <Metadata title="User metadata" value={user.user_metadata} />
      <Metadata title="App metadata" value={user.app_metadata} />
      <Confirm question={question} close={() => ask(undefined)} />
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return <div className="fact"><dt>{name}</dt><dd>{children}</dd></div>;
}

function Part<Item>({ title, empty, items, children }: { title: string; empty: string; items: Item[]; children: (item: Item) => ReactNode }) {
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      {items.length === 0 ? <p className="quiet">{empty}</p> : <ul className="items">{items.map(children)}</ul>}
    </section>
  );
}

function Metadata({ title, value }: { title: string; value: unknown }) {
  const text = JSON.stringify(value ?? {}, null, 2);
  return <section aria-label={title}><h3>{title}</h3><Code wrap what={title.toLowerCase()} text={text} shown={<Json text={text} />} /></section>;
}
