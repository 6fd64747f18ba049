// Which project is open, the others of this browser, and a new one by name.
import { Button, Menu, Modal, TextInput } from '@mantine/core';
import { Check, ChevronsUpDown, Plus } from 'lucide-react';
import { useState, type FormEvent } from 'react';
import { useGateway } from './context.ts';
import { addressOf, knownProjects, nameProblem } from './project.ts';

export function ProjectSwitcher() {
  const { project } = useGateway();
  const [creating, setCreating] = useState(false);
  return (
    <>
      <Menu position="bottom-start" width={220}>
        <Menu.Target>
          <Button className="switcher" variant="subtle" color="gray" rightSection={<ChevronsUpDown size={13} aria-hidden />} aria-label={`Project ${project}: switch`}>
            <span className="switcher-name">{project}</span>
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Projects in this browser</Menu.Label>
          {knownProjects().map((name) => (
            <Menu.Item key={name} component="a" href={addressOf(name)} fz="sm" aria-current={name === project || undefined} rightSection={name === project && <Check size={14} aria-hidden />}>{name}</Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item fz="sm" leftSection={<Plus size={14} aria-hidden />} onClick={() => setCreating(true)}>New project</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <NewProject opened={creating} close={() => setCreating(false)} />
    </>
  );
}

function NewProject({ opened, close }: { opened: boolean; close: () => void }) {
  const [name, setName] = useState('');
  const [fault, setFault] = useState<string>();
  const create = (event: FormEvent) => {
    event.preventDefault();
    const found = nameProblem(name);
    if (found) setFault(found);
    else location.assign(addressOf(name));
  };
  return (
    <Modal opened={opened} onClose={close} title="New project" centered size="sm">
      <form onSubmit={create}>
        <TextInput
          label="Name"
          description={`It becomes a part of the URL: ${location.origin}/${name || 'name'}/rest/v1`}
          value={name}
          error={fault}
          data-autofocus
          spellCheck={false}
          autoComplete="off"
          onChange={(event) => {
            setName(event.currentTarget.value);
            setFault(undefined);
          }}
        />
        <div className="form-end">
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" variant="filled">Create and open</Button>
        </div>
      </form>
    </Modal>
  );
}
