// The project's functions, through the API that the gateway has for them.
import { Refused as CallRefused, type Call } from '../../api/call.ts';
import { functions as client, secrets as secretsClient } from '../../api/functions.ts';
import { isFunctionName, type EdgeFunction } from '../../functions/functions.ts';
import type { Problem } from '../../functions/bundle/bundle.ts';
import type { Api } from '../gateway/call.ts';
import { base, projectUrl } from '../gateway/project.ts';

export type { EdgeFunction, FunctionMetrics, FunctionSettings, FunctionVersion, Secret } from '../../functions/functions.ts';

/** The page's own calls, as the API's client makes them. */
const call = (api: Api): Call => async (path, init) => {
  const response = await fetch(base(api.project) + path, { cache: 'no-store', ...init, headers: { ...(init?.headers as Record<string, string> | undefined), apikey: api.secret } });
  if (response.ok) return response;
  const body = (await response.json().catch(() => undefined)) as { message?: string } | undefined;
  throw new CallRefused(body?.message ?? `The gateway answered ${response.status} without an explanation`, response.status, body);
};

export const functions = (api: Api) => client(call(api));
export const secrets = (api: Api) => secretsClient(call(api));

/** What `fetch` and `functions.invoke` reach. */
export const urlOf = (api: Api, name: string) => `${projectUrl(api.project)}/functions/v1/${name}`;

/** What is wrong with the source, where that is why it was not deployed: the bundler is another script, with a class of its own. */
export function problemsOf(error: unknown): Problem[] | undefined {
  const { problems } = (error ?? {}) as { problems?: Problem[] };
  return Array.isArray(problems) ? problems : undefined;
}

/** Why a name cannot be a function's, or nothing. */
export function nameProblem(name: string, known: EdgeFunction[] = []): string | undefined {
  if (name === '') return 'A function needs a name: it becomes a part of its address.';
  if (!isFunctionName(name)) return 'Use letters, digits, - and _, beginning with a letter, at most 48.';
  return known.some((one) => one.name === name) ? `There is a function ${name} already.` : undefined;
}

export const hosts = { isolate: 'A worker of this browser', vm: 'The virtual machine', 'vm-or-isolate': 'The virtual machine, else a worker' } as const;
