// The project at a glance: how the gateway is, how to reach it, and code to begin with.
import { Connect } from './keys/Connect.tsx';
import { Keys } from './keys/Keys.tsx';
import { State } from './gateway/State.tsx';
import { useGateway } from './gateway/context.ts';
import { defaultProject } from './gateway/project.ts';

export function Home() {
  const { project } = useGateway();
  return (
    <div className="column">
      <div className="title">
        <h1>{project === defaultProject ? 'Default project' : project}</h1>
        <p className="quiet">A Supabase project in this browser: Postgres in a worker, its API answered by a service worker at this origin.</p>
      </div>
      <State />
      <Keys />
      <Connect />
    </div>
  );
}
