import type { RunStatus, Usage } from "../jobs/run.ts";

/** Counts of the runs that ended on this node since it started, by status, and the tokens that they used. */
export interface RunStats {
  count(status: RunStatus, usage?: Usage): void;
  readonly runs: ReadonlyMap<RunStatus, number>;
  readonly tokens: { readonly input: number; readonly output: number };
}

export function createRunStats(): RunStats {
  const runs = new Map<RunStatus, number>();
  const tokens = { input: 0, output: 0 };
  return {
    runs,
    tokens,
    count(status, usage) {
      runs.set(status, (runs.get(status) ?? 0) + 1);
      tokens.input += usage?.input_tokens ?? 0;
      tokens.output += usage?.output_tokens ?? 0;
    },
  };
}
