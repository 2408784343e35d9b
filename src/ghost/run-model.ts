import { NightshiftError } from "../errors.ts";
import type { ModelFailure, Run, RunError } from "../jobs/run.ts";
import type { Model } from "../model/model.ts";
import type { ModelOutages } from "../model/outages.ts";

/** The model as one run uses it. */
export interface RunModel {
  readonly model: Model | undefined;
  /** What is known of the model's failure, when that is the error that the run failed with. */
  failureOf(error: RunError | null): ModelFailure | undefined;
}

export interface RunModelOptions {
  readonly run: Run;
  readonly outages: Pick<ModelOutages, "answered" | "failed"> | undefined;
  /** When the run's time ends, in ms of `performance.now()`: no call waits longer for its provider. */
  readonly until: number;
  readonly now: () => number;
}

export function openRunModel(
  model: Model | undefined,
  { run, outages, until, now }: RunModelOptions,
): RunModel {
  let failure: NightshiftError | undefined;
  const watch = (model: Model): Model => ({
    name: model.name,
    async generate(request, signal) {
      failure = undefined;
      try {
        const answer = await model.generate(request, signal, { until });
        outages?.answered(run);
        return answer;
      } catch (error) {
        if (error instanceof NightshiftError) failure = error;
        throw error;
      }
    },
  });
  return {
    model: model && watch(model),
    failureOf(error) {
      if (!failure || failure.code !== error?.code) return undefined;
      const asked = failure.data.retry_after_ms;
      const outage = outages?.failed(run, failure);
      return { ...(typeof asked === "number" && { retryAt: now() + asked }), ...(outage && { outage }) };
    },
  };
}
