// A build that goes on: of what esbuild has parsed before it parses only what has changed, so packages cost little the second
// time. The same input gives the same bytes, whatever was built before.
import type { BuildContext, BuildOptions, BuildResult, Plugin } from 'esbuild-wasm';
import type { World } from './world.ts';

type Options = BuildOptions & { write: false; metafile: true };
type Result = BuildResult<Options>;

/** Of one function: whole and with its packages apart. */
const most = 2;

export class Rebuilds<Job> {
  /** What was of use last is last. */
  #kept: Going<Job>[] = [];

  constructor(readonly esbuild: World['esbuild']) {}

  /** Builds with a plugin for this job. */
  async build(options: Options, plugin: (job: () => Job) => Plugin, job: Job): Promise<Result> {
    const { esbuild } = this;
    const key = JSON.stringify(options);
    const known = this.#kept.find((going) => going.key === key);
    if (!esbuild.context || known?.isBusy) return esbuild.build({ ...options, plugins: [plugin(() => job)] });
    const going: Going<Job> = known ?? { key, job, isBusy: false, context: esbuild.context({ ...options, plugins: [plugin(() => going.job)] }) };
    this.#keep(going);
    going.job = job;
    going.isBusy = true;
    try {
      return await (await going.context).rebuild();
    } finally {
      going.isBusy = false;
    }
  }

  /** What one has read takes room. */
  #keep(going: Going<Job>): void {
    const others = this.#kept.filter((one) => one !== going);
    const dropped = others.length < most ? undefined : others.find(({ isBusy }) => !isBusy);
    void dropped?.context.then((context) => context.dispose(), () => undefined);
    this.#kept = [...others.filter((one) => one !== dropped), going];
    going.context.catch(() => {
      this.#kept = this.#kept.filter((one) => one !== going);
    });
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
