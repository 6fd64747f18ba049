// A build that goes on: of what esbuild has parsed before it parses only what has changed, so packages cost little the second
// time. The same input gives the same bytes, whatever was built before.
import type { BuildContext, BuildOptions, BuildResult, Plugin } from 'esbuild-wasm';
import type { World } from './world.ts';

type Options = BuildOptions & { write: false; metafile: true };
type Result = BuildResult<Options>;

export class Rebuilds<Job> {
  #kept: Going<Job> | undefined;

  constructor(readonly esbuild: World['esbuild']) {}

  /** Builds with a plugin for this job. */
  async build(options: Options, plugin: (job: () => Job) => Plugin, job: Job): Promise<Result> {
    const { esbuild } = this;
    if (!esbuild.context || this.#kept?.isBusy) return esbuild.build({ ...options, plugins: [plugin(() => job)] });
    const key = JSON.stringify(options);
    const going = this.#kept?.key === key ? this.#kept : this.#begin(key, options, plugin, job);
    going.job = job;
    going.isBusy = true;
    try {
      return await (await going.context).rebuild();
    } finally {
      going.isBusy = false;
    }
  }

  /** One at a time is kept: what it has read takes room. */
  #begin(key: string, options: Options, plugin: (job: () => Job) => Plugin, job: Job): Going<Job> {
    void this.#kept?.context.then((before) => before.dispose(), () => undefined);
    const context = this.esbuild.context!({ ...options, plugins: [plugin(() => going.job)] });
    const going: Going<Job> = { key, job, isBusy: false, context };
    this.#kept = going;
    context.catch(() => {
      if (this.#kept === going) this.#kept = undefined;
    });
    return going;
  }
}

interface Going<Job> {
  /** Its options: others are another build's. */
  key: string;
  context: Promise<BuildContext<Options>>;
  /** What is built at present, or was last. */
  job: Job;
  isBusy: boolean;
}
