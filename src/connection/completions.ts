import type { Scope } from "../context/scopes.ts";
import { zonesLike } from "../jobs/time.ts";
import type { Services } from "../tools/services.ts";

/** What one caller may be offered: their own, within the scopes of their credential. */
export interface CompletionScope {
  readonly services: Services;
  readonly scopes: readonly Scope[];
}

export interface Offered {
  readonly values: readonly string[];
  /** There is more that was not looked at. */
  readonly hasMore?: boolean;
}

export type Completer = (typed: string, completionScope: CompletionScope) => Offered | Promise<Offered>;

export const NO_VALUES: Offered = Object.freeze({ values: [] });

export const timezones: Completer = (typed) => ({ values: zonesLike(typed) });

/** By the start of the id, or, of the newest, by what the job is called. */
export const jobIds: Completer = async (typed, { services, scopes }) => {
  if (!scopes.includes("jobs:read") || !services.jobs) return NO_VALUES;
  const word = typed.toLowerCase();
  const isId = word.startsWith("job_");
  const { jobs, nextCursor } = await services.jobs.list({
    limit: MOST_VALUES,
    ...(isId && { idStart: word }),
  });
  const found = jobs.filter(
    ({ jobId, name }) => jobId.startsWith(word) || name?.toLowerCase().includes(word),
  );
  return { values: found.map(({ jobId }) => jobId), hasMore: nextCursor !== undefined };
};

/** By the start of the id, or of the job's. */
export const runIds: Completer = async (typed, { services, scopes }) => {
  if (!scopes.includes("jobs:read") || !services.runs) return NO_VALUES;
  const { runs, nextCursor } = await services.runs.list({ limit: 50 });
  const found = runs.filter(({ runId, jobId }) => runId.startsWith(typed) || jobId.startsWith(typed));
  return { values: found.map(({ runId }) => runId), hasMore: nextCursor !== undefined };
};

/** What the protocol lets one answer hold. */
const MOST_VALUES = 100;

/** As the protocol has it. */
export const toCompletion = ({ values, hasMore = false }: Offered) => ({
  completion: {
    values: values.slice(0, MOST_VALUES),
    hasMore: hasMore || values.length > MOST_VALUES,
    ...(!hasMore && { total: values.length }),
  },
});
