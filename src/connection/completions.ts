import type { Scope } from "../context/scopes.ts";
import { zonesLike } from "../jobs/time.ts";
import type { Services } from "../tools/services.ts";

/** The stores and scopes of one caller: only what is theirs and within their scopes is offered. */
export interface CompletionScope {
  readonly services: Services;
  readonly scopes: readonly Scope[];
}

export interface Offered {
  readonly values: readonly string[];
  /** True when there may be more that was not searched. */
  readonly hasMore?: boolean;
}

export type Completer = (typed: string, completionScope: CompletionScope) => Offered | Promise<Offered>;

export const NO_VALUES: Offered = Object.freeze({ values: [] });

export const timezones: Completer = (typed) => ({ values: zonesLike(typed) });

/** Finds jobs by the start of the id, and among the newest by a part of the name. */
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

/** Finds recent runs by the start of the id, or of their job's id. */
export const runIds: Completer = async (typed, { services, scopes }) => {
  if (!scopes.includes("jobs:read") || !services.runs) return NO_VALUES;
  const { runs, nextCursor } = await services.runs.list({ limit: 50 });
  const found = runs.filter(({ runId, jobId }) => runId.startsWith(typed) || jobId.startsWith(typed));
  return { values: found.map(({ runId }) => runId), hasMore: nextCursor !== undefined };
};

/** Most values of one completion, by the protocol. */
const MOST_VALUES = 100;

export const toCompletion = ({ values, hasMore = false }: Offered) => ({
  completion: {
    values: values.slice(0, MOST_VALUES),
    hasMore: hasMore || values.length > MOST_VALUES,
    ...(!hasMore && { total: values.length }),
  },
});
