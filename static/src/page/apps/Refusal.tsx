// Why something could not be done with an app, in the API's words, and what is at hand against it.
import { Button } from '@mantine/core';
import { Download } from 'lucide-react';
import { useState } from 'react';
import { Refused, words, type Api } from '../gateway/call.ts';
import { Fault } from '../parts/Fault.tsx';
import { install } from '../vm/vm.ts';

/** What an answer says beside its message. */
interface Said { hint?: string; lines?: string[]; missing?: string[] }

interface Props {
  api: Api;
  error: unknown;
  /** The app, where it is one of several. */
  name?: string | undefined;
  /** Tries again, once what was missing is there. */
  again?: (() => void) | undefined;
}

export function Refusal({ api, error, name, again }: Props) {
  const { hint, lines, missing } = said(error);
  const [installing, setInstalling] = useState(false);
  const [refused, setRefused] = useState<string>();
  const add = async () => {
    setInstalling(true);
    setRefused(undefined);
    try {
      for (const runtime of missing ?? []) await install(api, runtime);
      again?.();
    } catch (error) {
      setRefused(words(error));
    }
    setInstalling(false);
  };
  const title = name ? `${name}: ${words(error)}` : words(error);
  const hasLines = lines !== undefined && lines.length > 0;
  const canInstall = missing !== undefined && missing.length > 0 && again !== undefined;
  if (!hint && !hasLines && !canInstall) return <Fault title={title} />;
  return (
    <Fault title={title}>
      {hint && <p>{hint}</p>}
      {hasLines && <pre tabIndex={0} aria-label="The last lines">{lines.join('\n')}</pre>}
      {canInstall && <Button leftSection={<Download size={13} aria-hidden />} loading={installing} onClick={() => void add()}>Install {missing.join(' and ')}, and start</Button>}
      {refused && <p className="bad">{refused}</p>}
    </Fault>
  );
}

function said(error: unknown): Said {
  const body = error instanceof Refused && typeof error.body === 'object' && error.body !== null ? (error.body as Record<string, unknown>) : {};
  const texts = (value: unknown) => (Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : undefined);
  const lines = texts(body.lines);
  const missing = texts(body.missing);
  return { ...(typeof body.hint === 'string' && { hint: body.hint }), ...(lines && { lines }), ...(missing && { missing }) };
}
