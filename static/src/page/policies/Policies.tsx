// The policies: who may see and change which rows of which table.
import { Button, NativeSelect, TextInput } from '@mantine/core';
import { RefreshCw, Search, SquareTerminal } from 'lucide-react';
import { useState } from 'react';
import { useApi } from '../gateway/call.ts';
import { Fault } from '../parts/Fault.tsx';
import { count } from '../parts/format.ts';
import { useLoaded } from '../parts/loaded.ts';
import { Tone } from '../parts/Tone.tsx';
import { Waiting } from '../parts/Waiting.tsx';
import { openInEditor } from '../sql/draft.ts';
import { schemas, tables, type Policy, type Table } from './read.ts';

export default function Policies() {
  const api = useApi();
  const [schema, setSchema] = useState('public');
  const [search, setSearch] = useState('');
  const names = useLoaded(api && (() => schemas(api)), [api]);
  const { value, fault, reload } = useLoaded(api && (() => tables(api, schema)), [api, schema]);
  const sought = search.trim().toLowerCase();
  const found = value?.filter(({ name, policies }) => name.includes(sought) || policies.some((policy) => policy.name.toLowerCase().includes(sought)));
  const shown = names.value?.includes(schema) === false ? [schema, ...names.value] : (names.value ?? [schema]);
  return (
    <div className="column wide">
      <div className="title">
        <h1>Policies</h1>
        <p className="quiet">Row-level security of each table, as Postgres holds it. Without a policy that lets a row through, <code>anon</code> and <code>authenticated</code> see none; <code>service_role</code> passes by.</p>
      </div>
      <div className="bar">
        <NativeSelect aria-label="Schema" data={shown} value={schema} onChange={(event) => setSchema(event.currentTarget.value)} />
        <TextInput className="search" aria-label="Search tables and policies" placeholder="Table or policy" leftSection={<Search size={14} aria-hidden />} value={search} onChange={(event) => setSearch(event.currentTarget.value)} />
        <Button leftSection={<RefreshCw size={14} aria-hidden />} onClick={() => void reload()} disabled={!api}>Refresh</Button>
        {value && <span className="quiet">{count(value.length, 'table')}, {count(value.reduce((sum, { policies }) => sum + policies.length, 0), 'policy', 'policies')}</span>}
      </div>
      {fault && <Fault title={fault} />}
      {!value && !fault && <Waiting what="policies" />}
      {found && found.length === 0 && <p className="quiet empty">{value?.length ? 'No table or policy has that name.' : `Schema ${schema} has no tables.`}</p>}
      {found?.map((table) => <TablePolicies key={`${table.schema}.${table.name}`} table={table} />)}
    </div>
  );
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

function TablePolicies({ table }: { table: Table }) {
  const { schema, name, enabled, forced, granted, policies } = table;
  const id = `policies-${schema}-${name}`;
  const open = !enabled && granted.length > 0;
  const draft = () => `${enabled ? '' : `alter table ${quoted(schema)}.${quoted(name)} enable row level security;\n\n`}create policy "a name"\n  on ${quoted(schema)}.${quoted(name)}\n  for select\n  to authenticated\n  using (true);\n`;
  return (
    <section className="card" aria-labelledby={id}>
      <div className="bar">
        <h2 id={id} className="breakable">{name}</h2>
        <Tone tone={enabled ? 'good' : open ? 'bad' : 'none'}>{enabled ? `RLS enabled${forced ? ', forced' : ''}` : 'RLS disabled'}</Tone>
        <span className="head-space" />
        <Button leftSection={<SquareTerminal size={14} aria-hidden />} onClick={() => openInEditor(draft())}>New policy<span className="unseen"> on {name}</span></Button>
      </div>
      {open && <p className="bad">Every row is open to {granted.join(' and ')}, as far as the grants go.</p>}
      {policies.length === 0 && <p className="quiet">{enabled ? `No policies: no row for anon or authenticated.` : 'No policies.'}</p>}
      {policies.length > 0 && <ul className="items policies">{policies.map((policy) => <PolicyItem key={policy.name} policy={policy} enabled={enabled} />)}</ul>}
    </section>
  );
}

function PolicyItem({ policy: { name, command, permissive, roles, using, check }, enabled }: { policy: Policy; enabled: boolean }) {
  return (
    <li>
      <span className="item-main">{name}</span>
      <span className="tag">{command}</span>
      {!permissive && <span className="tag">restrictive</span>}
      <span className="quiet">{roles.join(', ')}</span>
      {!enabled && <span className="quiet">not in force</span>}
      {using !== null && <code className="condition"><span className="quiet">using </span>{using}</code>}
      {check !== null && <code className="condition"><span className="quiet">with check </span>{check}</code>}
    </li>
  );
}
