// How to reach the project: its URL and its keys, the secret ones masked until asked for.
import { ActionIcon, Tooltip } from '@mantine/core';
import { Eye, EyeOff } from 'lucide-react';
import { useState } from 'react';
import { Copy } from '../parts/Copy.tsx';
import { announce } from '../parts/Announcer.tsx';
import { useGateway, useKeys } from '../gateway/context.ts';
import { projectUrl } from '../gateway/project.ts';

interface Row { name: string; what: string; note: string; value?: string | undefined; secret?: boolean }

export function Keys() {
  const { project } = useGateway();
  const keys = useKeys();
  const rows: Row[] = [
    { name: 'Project URL', what: 'the project URL', note: 'What createClient takes', value: projectUrl(project) },
    { name: 'Publishable key', what: 'the publishable key', note: 'For browsers: role anon, under row-level security', value: keys?.publishable },
    { name: 'Secret key', what: 'the secret key', note: 'Role service_role: passes row-level security', value: keys?.secret, secret: true },
    { name: 'anon JWT', what: 'the anon JWT', note: 'Legacy form of the publishable key', value: keys?.anon },
    { name: 'service_role JWT', what: 'the service_role JWT', note: 'Legacy form of the secret key', value: keys?.service_role, secret: true },
    { name: 'JWT secret', what: 'the JWT secret', note: 'Signs and verifies users’ tokens (HS256)', value: keys?.jwt_secret, secret: true },
  ];
  return (
    <section aria-labelledby="keys-title" className="card">
      <h2 id="keys-title">URL and keys</h2>
      <p className="quiet">Made for this project in this browser. They open nothing anywhere else.</p>
      <ul className="keys">{rows.map((row) => <Key key={row.name} {...row} />)}</ul>
    </section>
  );
}

function Key({ name, what, note, value, secret = false }: Row) {
  const [shown, show] = useState(!secret);
  return (
    <li className="key">
      <div className="key-name"><span>{name}</span><span className="quiet">{note}</span></div>
      <code className="key-value" data-masked={!shown || undefined}>
        {value === undefined ? <span className="quiet">not known yet</span> : shown ? value : <><span aria-hidden>••••••••••••••••••••••••</span><span className="unseen">hidden</span></>}
      </code>
      <div className="key-actions">
        {secret && (
          <Tooltip label={shown ? 'Hide' : 'Show'}>
            <ActionIcon
              aria-label={`${shown ? 'Hide' : 'Show'} ${what}`}
              disabled={value === undefined}
              onClick={() => {
                show(!shown);
                announce(shown ? `${name} hidden` : `${name} shown`);
              }}
            >
              {shown ? <EyeOff size={14} aria-hidden /> : <Eye size={14} aria-hidden />}
            </ActionIcon>
          </Tooltip>
        )}
        <Copy text={value ?? ''} what={what} disabled={value === undefined} />
      </div>
    </li>
  );
}
