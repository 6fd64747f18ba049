// What is wrong and what to do, above whatever place is open.
import { Alert, Button } from '@mantine/core';
import { CircleAlert } from 'lucide-react';
import { useGateway, useView } from './context.ts';
import { problem } from './problem.ts';

export function Trouble() {
  const gateway = useGateway();
  const trouble = problem(useView(), gateway.version);
  if (!trouble) return null;
  return (
    <Alert className="trouble" role="alert" color="red" variant="outline" icon={<CircleAlert size={18} aria-hidden />} title={trouble.title}>
      <p>{trouble.what}</p>
      {trouble.reason && <pre>{trouble.reason}</pre>}
      <ul>{trouble.advice.map((line) => <li key={line}>{line}</li>)}</ul>
      {trouble.action === 'reload' && <Button onClick={() => location.reload()}>Reload</Button>}
      {trouble.action === 'on' && <Button onClick={switchOn}>Switch on</Button>}
      {trouble.action === 'retry' && <Button onClick={() => void gateway.refresh()}>Ask again</Button>}
    </Alert>
  );
}

function switchOn(): void {
  const address = new URL(location.href);
  address.searchParams.delete('gateway');
  location.replace(address);
}
