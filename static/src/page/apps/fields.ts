// An app's settings as a form has them: texts, until they are sent.
import type { AppSettings, RuntimeName } from './apps.ts';
import { asEnv, envProblem, type Variable } from './env.ts';
import { join, split } from './guess.ts';

export interface Fields {
  runtime: RuntimeName | '';
  entry: string;
  command: string;
  port: string;
  env: Variable[];
  autostart: boolean;
  deadline: string;
  memory: string;
  processes: string;
}

export const blank: Fields = { runtime: '', entry: '', command: '', port: '', env: [], autostart: false, deadline: '', memory: '', processes: '' };

const shown = (value: number | null | undefined) => (value === null || value === undefined ? '' : String(value));

export const fieldsOf = (settings: AppSettings): Fields => ({
  runtime: settings.runtime,
  entry: settings.entry ?? '',
  command: join(settings.command ?? []),
  port: shown(settings.port),
  env: Object.entries(settings.env ?? {}).map(([name, value]) => ({ name, value })),
  autostart: settings.autostart ?? false,
  deadline: shown(settings.start_deadline_s),
  memory: shown(settings.limits?.memory_mib),
  processes: shown(settings.limits?.processes),
});

/** Which kinds of app are started by a file of theirs. */
export const hasEntry = (runtime: Fields['runtime']) => runtime === 'node' || runtime === 'python';

type Faults = Partial<Record<keyof Fields, string>>;

const within = (text: string, least: number, most: number, what: string) => {
  if (text.trim() === '') return undefined;
  const value = Number(text);
  return Number.isInteger(value) && value >= least && value <= most ? undefined : `${what} is a whole number from ${least} to ${most.toLocaleString('en')}.`;
};

/** What is wrong with each field; nothing where it can be sent. */
export function problems(fields: Fields): Faults {
  const { runtime, entry, command, port, env, deadline, memory, processes } = fields;
  const found: Faults = {
    runtime: runtime === '' ? 'Say what it is.' : undefined,
    entry: hasEntry(runtime) && entry.trim() === '' ? 'Say which file starts it.' : /^\/|(^|\/)\.\.(\/|$)/.test(entry) ? 'A path inside the app, as src/server.js.' : undefined,
    command: runtime === 'command' && split(command).length === 0 ? 'Say what to run, as node build/index.js.' : undefined,
    port: within(port, 1024, 65_535, 'A port'),
    env: envProblem(env.filter(({ name, value }) => name !== '' || value !== '')),
    deadline: within(deadline, 1, 600, 'A deadline'),
    memory: within(memory, 16, 2048, 'A limit'),
    processes: within(processes, 1, 4096, 'A limit'),
  };
  return Object.fromEntries(Object.entries(found).filter(([, fault]) => fault !== undefined));
}

const number = (text: string) => (text.trim() === '' ? undefined : Number(text));

/** Only what was said: the gateway knows what is usual. */
export function settingsOf(fields: Fields): AppSettings {
  const { runtime, entry, command, env, autostart } = fields;
  const [port, deadline, memory, processes] = [fields.port, fields.deadline, fields.memory, fields.processes].map(number);
  const variables = env.filter(({ name }) => name !== '');
  const limits = { ...(memory !== undefined && { memory_mib: memory }), ...(processes !== undefined && { processes }) };
  return {
    runtime: runtime as RuntimeName,
    ...(hasEntry(runtime) && { entry: entry.trim() }),
    ...(runtime === 'command' && { command: split(command) }),
    ...(port !== undefined && { port }),
    ...(variables.length > 0 && { env: asEnv(variables) }),
    ...(Object.keys(limits).length > 0 && { limits }),
    autostart,
    ...(deadline !== undefined && { start_deadline_s: deadline }),
  };
}
