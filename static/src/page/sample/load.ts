// Loads the sample shop step by step; each step may be run again without harm.
import { runSql } from '../sql/run.ts';
import type { SqlError } from '../sql/results.ts';
import access from './access.sql';
import catalogue from './catalogue.sql';
import check from './check.sql';
import customers from './customers.sql';
import orders from './orders.sql';
import remove from './remove.sql';
import reviews from './reviews.sql';
import schema from './schema.sql';

export const steps = [
  { name: 'Looking for tables in the way', sql: check },
  { name: 'Tables', sql: schema },
  { name: '480 products in 12 categories', sql: catalogue },
  { name: '120 customers', sql: customers },
  { name: '2,000 orders with their lines', sql: orders },
  { name: '1,500 reviews', sql: reviews },
  { name: 'View, functions and policies', sql: access },
] as const;

export interface StepError { step: number; error: SqlError }

/** Runs every step in turn; `done` hears how many are. Stops at the first error. */
export async function load(project: string, secret: string, done: (count: number) => void): Promise<StepError | undefined> {
  for (const [step, { sql }] of steps.entries()) {
    const { error } = await runSql(project, secret, sql);
    if (error) return { step, error };
    done(step + 1);
  }
  return undefined;
}

export async function unload(project: string, secret: string): Promise<SqlError | undefined> {
  const { error } = await runSql(project, secret, `${check}\n${remove}`);
  return error;
}

/** Whether the sample's functions and rows are there. */
export async function isLoaded(project: string, secret: string): Promise<boolean> {
  const { results } = await runSql(project, secret, `select to_regprocedure('public.place_order(int, int)') is not null and to_regclass('public.reviews') is not null and obj_description(to_regclass('public.reviews'), 'pg_class') like 'Sample shop:%' as there`);
  return ['t', 'true'].includes(results.at(-1)?.rows[0]?.[0] ?? '');
}
