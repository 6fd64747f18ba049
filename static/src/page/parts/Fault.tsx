// Something was refused: what, and why.
import { Alert } from '@mantine/core';
import { CircleAlert } from 'lucide-react';
import type { ReactNode } from 'react';

export function Fault({ title, children }: { title: ReactNode; children?: ReactNode }) {
  return <Alert className="trouble" role="alert" color="red" variant="outline" icon={<CircleAlert size={18} aria-hidden />} title={title}>{children}</Alert>;
}
