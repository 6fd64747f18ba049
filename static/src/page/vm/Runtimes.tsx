// The layers that a VM can have: what each brings, what it weighs, and whether it is in.
import { Button } from '@mantine/core';
import { Download, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { words, type Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import { Confirm, type Question } from '../parts/Confirm.tsx';
import { Fault } from '../parts/Fault.tsx';
import { bytes } from '../parts/format.ts';
import { Tone } from '../parts/Tone.tsx';
import { install, uninstall, type Runtime, type VmStatus } from './vm.ts';

/** What an app of which kind needs it. */
const serves: Record<string, string> = { nginx: 'static sites', node: 'Node and Next.js apps', python: 'Python apps' };

interface Props { api: Api; status: VmStatus | undefined; again: () => void }

export function Runtimes({ api, status, again }: Props) {
  const [pending, setPending] = useState<string>();
  const [refused, setRefused] = useState<string>();
  const [question, ask] = useState<Question>();
  const runtimes = status?.runtimes ?? [];
  const add = async ({ name, title }: Runtime) => {
    setPending(name);
    setRefused(undefined);
    try {
      await install(api, name);
      announce(`Installed ${title}`);
    } catch (error) {
      setRefused(words(error));
    }
    setPending(undefined);
    again();
  };
  const askRemove = ({ name, title }: Runtime) => ask({
    title: `Remove ${title}?`,
    text: 'Apps that need it do not start until it is installed again. While one runs on it, it stays.',
    action: 'Remove',
    run: async () => {
      await uninstall(api, name);
      announce(`Removed ${title}`);
      again();
    },
  });

  return (
    <section className="stack" aria-label="Runtimes">
      <p className="quiet">The base system runs any Linux program of its own. A runtime is a layer beside it, mounted when it is installed and fetched in pieces as it is read.</p>
      {refused && <Fault title={refused} />}
      {runtimes.length === 0 && <p className="quiet empty">{status ? 'The VM has not told its runtimes yet: they are known once its image was looked at. Start it to see them.' : 'Reading…'}</p>}
      {runtimes.length > 0 && (
        <ul className="items runtimes">
          {runtimes.map((runtime) => (
            <li key={runtime.name}>
              <span className="item-main"><span className="runtime-title">{runtime.title}</span> <span className="quiet">{runtime.version}</span><br /><span className="quiet">{serves[runtime.name] ? `For ${serves[runtime.name]} · ` : ''}{bytes(runtime.bytes)}</span></span>
              <span className="runtime-state"><Tone tone={runtime.installed ? 'good' : 'none'}>{runtime.installed ? 'Installed' : 'Not installed'}</Tone></span>
              {runtime.installed
                ? <Button leftSection={<Trash2 size={13} aria-hidden />} aria-label={`Remove ${runtime.title}`} onClick={() => askRemove(runtime)}>Remove</Button>
                : <Button leftSection={<Download size={13} aria-hidden />} aria-label={`Install ${runtime.title}`} loading={pending === runtime.name} disabled={pending !== undefined} onClick={() => void add(runtime)}>Install</Button>}
            </li>
          ))}
        </ul>
      )}
      <Confirm question={question} close={() => ask(undefined)} />
    </section>
  );
}
