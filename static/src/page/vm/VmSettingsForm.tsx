// What the VM is started with, and where its programs may call.
import { ActionIcon, Button, Radio, SegmentedControl, TextInput } from '@mantine/core';
import { Plus, X } from 'lucide-react';
import { useState, type FormEvent } from 'react';
import { words, type Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Fault } from '../parts/Fault.tsx';
import type { Loaded } from '../parts/loaded.ts';
import { Waiting } from '../parts/Waiting.tsx';
import { addRule, readRule } from './rules.ts';
import { act, engines, save, type Engine, type VmSettings, type VmStatus } from './vm.ts';

interface Props { api: Api; status: VmStatus | undefined; again: () => void }

type Reading = Loaded<VmSettings>;

export function VmSettingsForm({ api, status, settings: { value, fault, reload }, again }: Props & { settings: Reading }) {
  if (!value) return fault ? <Fault title={fault} /> : <Waiting what="the settings" />;
  return <Form api={api} known={value} status={status} reload={reload} again={again} />;
}

const memories = [256, 512, 768, 1024];

/** Each change is kept at once; what the running VM cannot take up is said, with the button that makes it so. */
function Form({ api, known, status, reload, again }: Props & { known: VmSettings; reload: () => Promise<void> }) {
  const [now, setNow] = useState(known);
  const [refused, setRefused] = useState<string>();
  const [restarting, setRestarting] = useState(false);
  const late = status && !['unloaded', 'stopped', 'error'].includes(status.state) && (status.engine !== now.engine || status.memory !== now.memory);
  const change = async (part: Partial<VmSettings>) => {
    const before = now;
    const next = { ...now, ...part };
    setNow(next);
    setRefused(undefined);
    try {
      await save(api, next);
      announce('Kept the settings');
      await reload();
    } catch (error) {
      setNow(before);
      setRefused(words(error));
    }
  };
  const restart = async () => {
    setRestarting(true);
    try {
      await act(api, 'restart');
    } catch (error) {
      setRefused(words(error));
    }
    setRestarting(false);
    again();
  };

  return (
    <div className="stack vm-settings">
      {refused && <Fault title={`Not kept: ${refused}`} />}
      {late && (
        <div className="notice" role="status">
          <span>The VM that runs was started with {status.engine ? engines[status.engine] : 'another engine'} and {status.memory} MiB.</span>
          <Button loading={restarting} onClick={() => void restart()}>Restart it now</Button>
        </div>
      )}
      <Radio.Group label="Engine" value={now.engine} onChange={(engine) => void change({ engine: engine as Engine })} size="xs" className="choices">
        <Radio.Card value="v86" className="choice" aria-describedby="engine-v86">
          <Radio.Indicator size="xs" />
          <span><span className="choice-title">v86</span><span className="quiet" id="engine-v86">Part of this page, works offline. BSD licence. A 32-bit processor with one core.</span></span>
        </Radio.Card>
        <Radio.Card value="cheerpx" className="choice" aria-describedby="engine-cheerpx">
          <Radio.Indicator size="xs" />
          <span><span className="choice-title">CheerpX <span className="tag">from its vendor</span></span><span className="quiet" id="engine-cheerpx">Fetched from Leaning Technologies, its vendor, each time it starts: it needs the network. Proprietary: its licence lets personal and open-source projects use it without payment. Not part of this project.</span></span>
        </Radio.Card>
        <p className="quiet hint">What you do with CheerpX is between you and its vendor: <a href="https://cheerpx.io/docs" target="_blank" rel="noreferrer">cheerpx.io/docs</a>.</p>
      </Radio.Group>
      <div role="group" aria-labelledby="memory-label">
        <p className="label" id="memory-label">Memory</p>
        <SegmentedControl aria-label="Memory" value={String(now.memory)} onChange={(memory) => void change({ memory: Number(memory) })} data={[...new Set([...memories, now.memory])].sort((one, other) => one - other).map((value) => ({ value: String(value), label: `${value} MiB` }))} />
        <p className="quiet hint">Taken from this tab. 512 MiB starts from a snapshot; another size may start cold, which takes longer.</p>
      </div>
      <Allowed rules={now.outbound.allow} change={(allow) => change({ outbound: { ...now.outbound, allow } })} />
    </div>
  );
}

function Allowed({ rules, change }: { rules: string[]; change: (rules: string[]) => Promise<void> }) {
  const [text, setText] = useState('');
  const [fault, setFault] = useState<string>();
  const read = text.trim() ? readRule(text) : undefined;
  const add = (event: FormEvent) => {
    event.preventDefault();
    const added = addRule(rules, text);
    if ('fault' in added) {
      setFault(added.fault);
      return;
    }
    setText('');
    setFault(undefined);
    void change(added.rules);
  };
  return (
    <section aria-labelledby="outbound-title">
      <h2 id="outbound-title">Outbound</h2>
      <p className="quiet">Which hosts programs in the VM may call over HTTP. Their requests go through this browser’s <code>fetch</code>, so the host must also allow this page’s origin by CORS. <code>localhost:5173</code> and <code>localhost:5432</code> are this project and always there.</p>
      {rules.length === 0
        ? <p className="quiet empty">Nothing may be called: every outbound request is answered with 403.</p>
        : (
          <ul className="items rules" aria-label="Allowed">
            {rules.map((rule) => {
              const known = readRule(rule);
              return (
                <li key={rule}>
                  <code className="rule">{rule}</code>
                  <span className="item-main quiet">{'means' in known ? known.means : 'not a rule that this page knows'}</span>
                  <ActionIcon size="sm" aria-label={`Remove ${rule}`} onClick={() => void change(rules.filter((other) => other !== rule))}><X size={13} aria-hidden /></ActionIcon>
                </li>
              );
            })}
          </ul>
        )}
      <form onSubmit={add} className="rule-add">
        <TextInput
          label="Allow a host"
          placeholder="api.example.com"
          spellCheck={false}
          autoComplete="off"
          value={text}
          error={fault}
          description={read && 'means' in read ? `Allows ${read.means}.` : 'A host, *.host for what is below it, with http:// or https:// or a :port to narrow it, or * for every host'}
          inputWrapperOrder={['label', 'input', 'error', 'description']}
          onChange={(event) => {
            setText(event.currentTarget.value);
            setFault(undefined);
          }}
        />
        <Button type="submit" leftSection={<Plus size={14} aria-hidden />} disabled={text.trim() === ''}>Allow</Button>
      </form>
    </section>
  );
}
