import type { Job } from "../jobs/job.ts";
import type { RunResult, TranscriptStep } from "../jobs/run.ts";
import type { Log } from "../log.ts";
import type { Model } from "../model/model.ts";
import type { ModelOutages } from "../model/outages.ts";
import type { Claimed, RunQueue } from "../store/run-queue.ts";
import type { TokenBudget } from "../store/usage.ts";
import type { RunReader } from "../tools/services.ts";
import type { Upstreams } from "../tools/upstream.ts";
import type { GhostThread } from "./ghost-thread.ts";

/** The dependencies of a run, which are the same for all runs of this process. */
export interface GhostDeps {
  readonly threads: { take(): Promise<GhostThread> };
  readonly runQueue: Pick<RunQueue, "finish" | "requeue" | "wait" | "mayWait" | "isApproved" | "openJournal">;
  /** Absent where none is configured: prompts then fail with MODEL_NOT_CONFIGURED. */
  readonly model?: Model | undefined;
  /** Told what the model answers to the runs, and how it fails them. */
  readonly outages?: Pick<ModelOutages, "answered" | "failed">;
  /** The budget that runs of this job share, besides the run's own limit. */
  readonly openBudget: (job: Job) => TokenBudget;
  /** The runs of one user. */
  readonly openRuns: (userKey: string) => RunReader;
  /** The longest time that a run gets, whatever its job says. Default: no limit. */
  readonly maxTimeoutSeconds?: number;
  readonly log: Log;
  readonly now: () => number;
  /** Modules with users' own tools, as `--tools` names them. */
  readonly toolModules: readonly string[];
  /** Other MCP servers; absent where none are configured. */
  readonly upstreams?: UpstreamSource | undefined;
  /** Where the files of code jobs are. */
  readonly jobsDir?: string | undefined;
  readonly listeners?: readonly GhostListener[];
}

/** The other MCP servers of this process. None is connected before `open`. */
interface UpstreamSource {
  readonly servers: readonly string[];
  /** Opens, for one run of this user, what `grants` name and nothing else. */
  open(grants: readonly string[], userKey: string): Upstreams;
}

/** Called with each step as it happens, and once with the end. Errors that it throws are logged and change nothing. */
export interface GhostListener {
  readonly onStep?: (claimed: Claimed, step: TranscriptStep) => void;
  readonly onEnd?: (claimed: Claimed, result: RunResult) => void;
  /** Called instead of `onEnd` when the run goes on later, in another thread. */
  readonly onParked?: (claimed: Claimed) => void;
}

export function notifyListeners(
  { listeners = [], log }: GhostDeps,
  notify: (listener: GhostListener) => void,
): void {
  for (const listener of listeners) {
    try {
      notify(listener);
    } catch (error) {
      log.error({ err: error }, "a listener of ghost runs failed");
    }
  }
}
