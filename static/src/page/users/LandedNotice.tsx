// Says what came of a link that led from a mail to this page.
import { Alert } from '@mantine/core';
import { CircleAlert, MailCheck } from 'lucide-react';
import { useState } from 'react';
import { Copy } from '../parts/Copy.tsx';
import { takeLanded } from './landed.ts';

const first = takeLanded();

export function LandedNotice() {
  const [landed, setLanded] = useState(first);
  if (!landed) return null;
  const close = { withCloseButton: true, closeButtonLabel: 'Dismiss', onClose: () => setLanded(undefined) };
  if (landed.kind === 'refused') return <Alert className="trouble" role="alert" color="red" variant="outline" icon={<CircleAlert size={18} aria-hidden />} title="The link does not work" {...close}>{landed.why}</Alert>;
  if (landed.kind === 'half') return <Alert className="landed" role="status" variant="outline" icon={<MailCheck size={18} aria-hidden />} title="The link works" {...close}>{landed.what}</Alert>;
  return (
    <Alert className="landed" role="status" variant="outline" icon={<MailCheck size={18} aria-hidden />} title={landed.kind === 'session' ? `The link works: ${landed.who} is signed in (${landed.what})` : 'The link works: it gave a code'} {...close}>
      <p>{landed.kind === 'session' ? 'An app at this address would have the session now.' : 'An app at this address would exchange it with its verifier.'}</p>
      <div className="actions">
        {landed.kind === 'session' ? <Copy label="Copy access token" what="the access token" text={landed.token} /> : <Copy label="Copy code" what="the code" text={landed.code} />}
      </div>
    </Alert>
  );
}
