// The run console: a request to one function, as any role, and all that comes back.
import { Autocomplete, Button, Kbd, NativeSelect, SegmentedControl, Textarea, TextInput } from '@mantine/core';
import { Play, Square } from 'lucide-react';
import type { Api } from '../gateway/call.ts';
import { useKeys } from '../gateway/context.ts';
import type { Keys } from '../gateway/status.ts';
import { useStored } from '../parts/stored.ts';
import { badHeaders, hasBody, methods, prepare, type Draft, type Method, type Role } from '../requests/request.ts';
import { ReplyView } from '../requests/ReplyView.tsx';
import { useSending } from '../requests/sending.ts';
import { sampleUsers } from '../sample/examples.ts';
import { urlOf, type EdgeFunction } from './functions.ts';

const blank: Draft = { method: 'POST', path: '', role: 'anon', user: sampleUsers[0]!.id, headers: '', body: '{\n  "name": "world"\n}' };
const roles: { value: Role; label: string }[] = [{ value: 'anon', label: 'anon' }, { value: 'user', label: 'a user' }, { value: 'service_role', label: 'service_role' }];

export function Run({ api, deployed: { name, verify_jwt: verifies } }: { api: Api; deployed: EdgeFunction }) {
  const keys = useKeys();
  const [draft, setDraft] = useStored<Draft>(`gateway:function:${api.project}:${name}`, blank);
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const wrongLines = badHeaders(draft.headers);
  const wrongUser = draft.role === 'user' && draft.user.trim() === '' ? 'Give an id' : undefined;
  const ready = keys !== undefined && wrongLines.length === 0 && !wrongUser;

  const { reply, cancel, form } = useSending(() => (ready ? request(keys) : undefined));

  const request = async (own: Keys) => {
    const rest = draft.path === '' || /^[/?]/.test(draft.path) ? draft.path : `/${draft.path}`;
    const prepared = await prepare({ ...draft, path: `/functions/v1/${name}${rest}` }, api.project, own, Math.floor(Date.now() / 1000));
    // `functions.invoke` sends the key as a token too, and what checks tokens wants one.
    const bearer = prepared.headers.some(([header]) => header.toLowerCase() === 'authorization');
    if (!bearer) prepared.headers.push(['Authorization', `Bearer ${draft.role === 'service_role' ? own.service_role : own.anon}`]);
    return prepared;
  };

  return (
    <div className="pair reply-pair run">
      <form className="card request" aria-label={`A request to ${name}`} {...form}>
        <div className="request-line">
          <NativeSelect className="method" aria-label="Method" data={[...methods]} value={draft.method} onChange={(event) => change({ method: event.currentTarget.value as Method })} />
          <TextInput className="path" aria-label="Path and query behind the function’s" description={<span className="breakable">{urlOf(api, name)}</span>} placeholder="/path?query" value={draft.path} spellCheck={false} autoComplete="off" autoCapitalize="off" onChange={(event) => change({ path: event.currentTarget.value })} />
          {/* Not one element that changes: a click that cancels would submit as it ends. */}
          {cancel
            ? <Button key="cancel" leftSection={<Square size={12} aria-hidden />} onClick={cancel}>Cancel</Button>
            : <Button key="send" type="submit" variant="filled" leftSection={<Play size={13} aria-hidden />} disabled={!ready}>Run</Button>}
        </div>
        <div className="request-role">
          <div>
            <div className="label" id="run-role-label">As</div>
            <SegmentedControl aria-labelledby="run-role-label" data={roles} value={draft.role} onChange={(role) => change({ role: role as Role })} />
          </div>
          {draft.role === 'user' && <Autocomplete className="user" label="User id" error={wrongUser} value={draft.user} data={sampleUsers.map(({ id }) => id)} filter={({ options }) => options} onChange={(user) => change({ user })} />}
          <p className="quiet role-means">{verifies ? 'The function demands a token; each of these has one.' : 'The function demands no token.'}</p>
        </div>
        <Textarea label="Headers" description="Name: value, one a line" placeholder="x-example: 1" autosize minRows={1} maxRows={8} spellCheck={false} value={draft.headers} error={wrongLines.length > 0 && `Line ${wrongLines.join(', ')}: no “Name: value”`} onChange={(event) => change({ headers: event.currentTarget.value })} />
        <Textarea label="Body" description={hasBody(draft.method) ? 'Sent as JSON unless Content-Type says otherwise' : `${draft.method} has none`} disabled={!hasBody(draft.method)} autosize minRows={3} maxRows={16} spellCheck={false} value={draft.body} onChange={(event) => change({ body: event.currentTarget.value })} />
        <p className="quiet request-hint"><Kbd size="xs">Ctrl/⌘</Kbd> <Kbd size="xs">Enter</Kbd> runs it from any field. What it writes is under Logs.</p>
      </form>
      <ReplyView reply={reply} sending={cancel !== undefined} />
    </div>
  );
}
