// Apps to begin with, deployed by one click.
import { Button } from '@mantine/core';
import { Rocket } from 'lucide-react';
import { useState } from 'react';
import type { Api } from '../gateway/call.ts';
import { announce } from '../parts/Announcer.tsx';
import type { App } from './apps.ts';
import { install } from '../vm/vm.ts';
import { Refusal } from './Refusal.tsx';
import { fetchSample, prepare, samples, type Sample } from './samples.ts';
import { send } from './send.ts';
import { pack } from './zip.ts';

export function SampleList({ api, apps, deployed }: { api: Api; apps: App[]; deployed: (name: string) => Promise<void> }) {
  const [pending, setPending] = useState<string>();
  const [refused, setRefused] = useState<unknown>();
  const deploy = async (sample: Sample) => {
    setPending(sample.name);
    setRefused(undefined);
    const { signal } = new AbortController();
    try {
      const picked = await fetchSample(sample);
      await prepare(api, sample, picked);
      await send(api, sample.name, sample.settings, picked.zip ?? (await pack(picked.files, () => {}, signal)), () => {}, signal);
      await install(api, sample.needs);
      announce(`Deployed ${sample.name}`);
      await deployed(sample.name);
    } catch (error) {
      setRefused(error);
    }
    setPending(undefined);
  };
  return (
    <section aria-labelledby="samples-title">
      <h2 id="samples-title">Samples</h2>
      <p className="quiet">Small apps whose sources are worth a look. Each is deployed and started by one click.</p>
      {refused !== undefined && <Refusal api={api} error={refused} />}
      <ul className="samples">
        {samples.map((sample) => {
          const there = apps.some(({ name }) => name === sample.name);
          return (
            <li key={sample.name} className="card">
              <h3>{sample.title}</h3>
              <p className="quiet">{sample.shows}</p>
              <span className="sample-end">
                <code>{sample.name}</code>
                <Button leftSection={<Rocket size={14} aria-hidden />} aria-label={`${there ? 'Deploy again' : 'Deploy'}: ${sample.title}`} loading={pending === sample.name} disabled={pending !== undefined} onClick={() => void deploy(sample)}>{there ? 'Deploy again' : 'Deploy'}</Button>
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
