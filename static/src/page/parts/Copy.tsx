// A button that copies a text and says that it did.
import { ActionIcon, Button, Tooltip } from '@mantine/core';
import { useClipboard } from '@mantine/hooks';
import { Check, Copy as CopyIcon } from 'lucide-react';
import { announce } from './Announcer.tsx';

interface Props {
  text: string | (() => string);
  /** What is copied, as `the secret key`. */
  what: string;
  /** Shown beside the icon; without it the button is the icon alone. */
  label?: string;
  disabled?: boolean;
}

export function Copy({ text, what, label, disabled = false }: Props) {
  const { copied, copy, error } = useClipboard({ timeout: 1500 });
  const press = () => {
    copy(typeof text === 'function' ? text() : text);
    announce(`Copied ${what}`);
  };
  const icon = copied ? <Check size={14} aria-hidden /> : <CopyIcon size={14} aria-hidden />;
  if (label) {
    return <Button leftSection={icon} onClick={press} disabled={disabled}>{error ? 'Copy was refused' : copied ? 'Copied' : label}</Button>;
  }
  return (
    <Tooltip label={error ? 'The browser refused the clipboard' : copied ? 'Copied' : `Copy ${what}`}>
      <ActionIcon aria-label={`Copy ${what}`} onClick={press} disabled={disabled}>{icon}</ActionIcon>
    </Tooltip>
  );
}
