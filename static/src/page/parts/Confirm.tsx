// Asks before something is lost.
import { Button, Modal } from '@mantine/core';
import { useState } from 'react';
import { words } from '../gateway/call.ts';
import { Fault } from './Fault.tsx';

export interface Question {
  title: string;
  /** What is lost. */
  text: string;
  /** The button's word, as `Delete`. */
  action: string;
  run: () => Promise<void>;
}

/** Open while there is a question; a refusal is shown where it was asked. */
export function Confirm({ question, close }: { question: Question | undefined; close: () => void }) {
  const [running, setRunning] = useState(false);
  const [fault, setFault] = useState<string>();
  const leave = () => {
    setFault(undefined);
    close();
  };
  const run = async () => {
    setRunning(true);
    setFault(undefined);
    try {
      await question!.run();
      leave();
    } catch (error) {
      setFault(words(error));
    }
    setRunning(false);
  };
  return (
    <Modal opened={question !== undefined} onClose={leave} title={question?.title} centered size="sm" zIndex={400} closeButtonProps={{ 'aria-label': 'Close' }}>
      <p>{question?.text}</p>
      {fault && <Fault title={fault} />}
      <div className="form-end">
        <Button onClick={leave}>Cancel</Button>
        <Button color="red" variant="outline" loading={running} data-autofocus onClick={() => void run()}>{question?.action}</Button>
      </div>
    </Modal>
  );
}
