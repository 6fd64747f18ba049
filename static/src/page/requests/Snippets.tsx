// The request as code to take away.
import { Tabs } from '@mantine/core';
import { Code } from '../parts/Code.tsx';
import type { Keys } from '../gateway/status.ts';
import type { Draft, Outgoing } from './request.ts';
import { curl, supabaseJs } from './equivalents.ts';

interface Props { draft: Draft; outgoing: Outgoing; keys: Keys; project: string }

export function Snippets({ draft, outgoing, keys, project }: Props) {
  const texts = { 'supabase-js': supabaseJs(draft, outgoing, project, keys), curl: curl(outgoing) };
  return (
    <section className="card" aria-label="The request as code">
      <Tabs defaultValue="supabase-js">
        <Tabs.List>
          {Object.keys(texts).map((name) => <Tabs.Tab key={name} value={name}>{name}</Tabs.Tab>)}
        </Tabs.List>
        {Object.entries(texts).map(([name, text]) => (
          <Tabs.Panel key={name} value={name}>
            <Code what={`the ${name} code`} text={text} shown={masked(text, draft.role === 'service_role' ? keys.secret : undefined)} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </section>
  );
}

/** A token is copied whole and shown short; the secret key is copied whole and shown as dots. */
function masked(text: string, secret: string | undefined): string {
  const short = text.replace(/(Bearer eyJ[\w-]{8})[\w.-]+/g, '$1…');
  return secret ? short.replaceAll(secret, '••••••••••••') : short;
}
