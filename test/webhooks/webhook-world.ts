import { NO_PROVISION } from "../../src/jobs/job.ts";
import type { RunResult } from "../../src/jobs/run.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import { openRunStore } from "../../src/store/run-store.ts";
import { createNetworkPolicy } from "../../src/webhooks/attempt.ts";
import { openDeliveries, openWebhookStore } from "../../src/webhooks/webhook-store.ts";
import { ALL_KINDS, newJob, resultOf, type World, worker } from "../world.ts";

/** One user's stores, and ways to start and end runs. */
export function userOf({ db, now }: Pick<World, "db" | "now">, userKey: string) {
  const jobs = openJobStore(db, { userKey, userId: userKey, now, maxJobs: 10_000 });
  const runs = openRunStore(db, { userKey, now, maxQueued: 10_000 });
  const runQueue = openRunQueue(db);
  const addJob = (webhookUrl: string | null = null) =>
    jobs.create(
      newJob({
        name: "Report",
        nextRunAt: now() + 1e11,
        provision: { ...NO_PROVISION, webhookUrl },
      }),
    );
  /** Starts a run of the job and leaves it running. */
  const begin = async (jobId: string, workerId = "w1"): Promise<string> => {
    const { runId } = await runs.enqueue(jobId);
    await runQueue.claimDue({
      now: now(),
      limit: 100,
      filter: { kinds: ALL_KINDS, userKey, runId },
      worker: worker(workerId),
      leaseMs: 30_000,
    });
    return runId;
  };
  const finish = (runId: string, outcome: Partial<RunResult> = {}) =>
    runQueue.finish(
      runId,
      resultOf("succeeded", {
        output: "All is well.",
        usage: { input_tokens: 1, output_tokens: 1 },
        ...outcome,
      }),
      now(),
    );
  return {
    userKey,
    jobs,
    runs,
    runQueue,
    webhooks: openWebhookStore(db, { userKey, now, network: createNetworkPolicy(true) }),
    deliveries: openDeliveries(db, userKey),
    addJob,
    begin,
    finish,
    /** Runs the job to its end. Resolves to the run's id. */
    async end(jobId: string, outcome: Partial<RunResult> = {}): Promise<string> {
      const runId = await begin(jobId);
      await finish(runId, outcome);
      return runId;
    },
  };
}
