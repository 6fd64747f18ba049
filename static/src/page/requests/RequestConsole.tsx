// The request console: any request to this project, as any role, and all that comes back.
import { Autocomplete, Button, Kbd, NativeSelect, SegmentedControl, Textarea, TextInput } from '@mantine/core';
import { Send, Square } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useStored } from '../parts/stored.ts';
import { useGateway, useKeys } from '../gateway/context.ts';
import { projectUrl } from '../gateway/project.ts';
import { sampleUsers } from '../sample/examples.ts';
import { onRequest, takeRequest } from './handover.ts';
import { badHeaders, hasBody, methods, prepare, type Draft, type Method, type Outgoing, type Role } from './request.ts';
import { ReplyView } from './ReplyView.tsx';
import { useSending } from './sending.ts';
import { Snippets } from './Snippets.tsx';

const blank: Draft = { method: 'GET', path: '/rest/v1/', role: 'anon', user: sampleUsers[0]!.id, headers: '', body: '' };
const roles: { value: Role; label: string }[] = [{ value: 'anon', label: 'anon' }, { value: 'user', label: 'a user' }, { value: 'service_role', label: 'service_role' }];
const means: Record<Role, string> = {
  anon: 'The publishable key: what anybody may see.',
  user: 'Role authenticated, with a token for this id, signed here with the JWT secret.',
  service_role: 'The secret key: passes row-level security.',
};

export default function RequestConsole() {
  const gateway = useGateway();
  const keys = useKeys();
  const [draft, setDraft] = useStored<Draft>(`gateway:request:${gateway.project}`, blank);
  const [outgoing, setOutgoing] = useState<Outgoing>();
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const wrongLines = badHeaders(draft.headers);
  const wrongUser = draft.role === 'user' && draft.user.trim() === '' ? 'Give an id' : undefined;
  const ready = keys !== undefined && wrongLines.length === 0 && !wrongUser;
  const { reply, cancel, clear, form } = useSending(
    () => (ready ? prepare(draft, gateway.project, keys, Math.floor(Date.now() / 1000)) : undefined),
    () => {
      if (draft.method !== 'GET' && draft.method !== 'HEAD') void gateway.refresh();
    },
  );

  useEffect(() => {
    const take = () => {
      const given = takeRequest();
      if (!given) return;
      setDraft({ ...blank, ...given });
      clear();
    };
    take();
    return onRequest(take);
  }, []);

  // The snippets follow what is written; the token in them is signed anew for each user.
  useEffect(() => {
    if (!keys) return;
    let current = true;
    void prepare(draft, gateway.project, keys, Math.floor(Date.now() / 1000)).then((next) => current && setOutgoing(next));
    return () => {
      current = false;
    };
  }, [draft, keys, gateway.project]);

  return (
    <div className="column wide">
      <div className="bar"><h1>Requests</h1><span className="quiet bar-note">Sent by fetch, answered by the service worker</span></div>
      <form className="card request" {...form}>
        <div className="request-line">
          <NativeSelect className="method" aria-label="Method" data={[...methods]} value={draft.method} onChange={(event) => change({ method: event.currentTarget.value as Method })} />
          <TextInput
            className="path"
            aria-label="Path and query"
            description={projectUrl(gateway.project)}
            value={draft.path}
            spellCheck={false}
            autoComplete="off"
            autoCapitalize="off"
            onChange={(event) => change({ path: event.currentTarget.value })}
          />
          {/* Not one element that changes: a click that cancels would submit as it ends. */}
          {cancel
            ? <Button key="cancel" leftSection={<Square size={12} aria-hidden />} onClick={cancel}>Cancel</Button>
            : <Button key="send" type="submit" variant="filled" leftSection={<Send size={13} aria-hidden />} disabled={!ready}>Send</Button>}
        </div>
        <div className="request-role">
          <div>
            <div className="label" id="role-label">As</div>
            <SegmentedControl aria-labelledby="role-label" data={roles} value={draft.role} onChange={(role) => change({ role: role as Role })} />
          </div>
          {draft.role === 'user' && (
            <Autocomplete
              className="user"
              label="User id"
              error={wrongUser}
              value={draft.user}
              data={sampleUsers.map(({ id }) => id)}
              renderOption={({ option }) => <span className="user-option">{option.value}<span className="quiet">{sampleUsers.find(({ id }) => id === option.value)?.name}</span></span>}
              filter={({ options }) => options}
              onChange={(user) => change({ user })}
            />
          )}
          <p className="quiet role-means">{means[draft.role]}</p>
        </div>
        <div className="request-parts">
          <Textarea
            label="Headers"
            description="Name: value, one a line"
            placeholder="Prefer: count=exact"
            autosize
            minRows={2}
            maxRows={8}
            spellCheck={false}
            value={draft.headers}
            error={wrongLines.length > 0 && `Line ${wrongLines.join(', ')}: no “Name: value”`}
            onChange={(event) => change({ headers: event.currentTarget.value })}
          />
          <Textarea
            label="Body"
            description={hasBody(draft.method) ? 'Sent as JSON unless Content-Type says otherwise' : `${draft.method} has none`}
            disabled={!hasBody(draft.method)}
            autosize
            minRows={2}
            maxRows={16}
            spellCheck={false}
            value={draft.body}
            onChange={(event) => change({ body: event.currentTarget.value })}
          />
        </div>
        <p className="quiet request-hint"><Kbd size="xs">Ctrl/⌘</Kbd> <Kbd size="xs">Enter</Kbd> sends from any field.</p>
      </form>
      <div className="pair reply-pair">
        <ReplyView reply={reply} sending={cancel !== undefined} />
        {outgoing && keys && <Snippets draft={draft} outgoing={outgoing} keys={keys} project={gateway.project} />}
      </div>
    </div>
  );
}
