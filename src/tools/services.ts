import { NightshiftError } from "../errors.ts";
import type { FactStore } from "../facts/store.ts";
import type { JobStore, RunStore } from "../jobs/contracts.ts";
import type { DeliveryReader } from "../jobs/delivery.ts";
import type { Inbox } from "../jobs/inbox-item.ts";
import type { Action, Job } from "../jobs/job.ts";
import type { TranscriptStep } from "../jobs/run.ts";

/** What is read of runs; a ghost's is bound to its own job. */
export type RunReader = Pick<RunStore, "get" | "list">;

/** What the scheduler can tell the tools that make jobs. */
export interface SchedulerApi {
  /** Why an action of this kind could not run here, as a sentence that says what to do; undefined when it can. */
  obstacle(kind: Action["kind"]): string | undefined;
  /** A sentence for the result of schedule_task when jobs run only under a condition (a stdio server's life). */
  readonly caveat?: string;
  /** The names of all tools that a ghost here can have. */
  ghostTools(): readonly string[];
  /**
   * Of `names`, those that other MCP servers of this host could have: `server__tool` and `server__*`. The servers are
   * asked. Resolves to a warning for each that does not answer; rejects with TOOL_NOT_FOUND for a tool that one does
   * not have.
   */
  checkUpstreams(names: readonly string[]): Promise<readonly string[]>;
  isUpstream(name: string): boolean;
  /** The names of the tools that a ghost of this job is offered. */
  toolsOf(job: Pick<Job, "tools" | "action">): readonly string[];
  /** Tells of each step of a run that happens in this process; returns what ends it. For a run of the caller's own. */
  follow(runId: string, listener: (step: TranscriptStep) => void): () => void;
  /** Throws INVALID_ARGUMENTS, with what to do, for a URL to which this host sends nothing. */
  checkWebhook(url: string): void;
  /** Says that something is due sooner than the clock knew. */
  wake(): void;
}

/**
 * All that the tools of one context can reach. Each part is bound to its owner when it is handed over. A ghost's
 * has `runs` and nothing else: there is no memory behind its tools and nothing to schedule with.
 */
export interface Services {
  readonly facts?: FactStore;
  readonly jobs?: JobStore;
  readonly runs?: RunReader;
  readonly runControl?: Pick<RunStore, "enqueue" | "backfill" | "cancel">;
  /** What became of telling a webhook of a run. */
  readonly deliveries?: DeliveryReader;
  /** What the runs of the owner's jobs came to. No ghost has it. */
  readonly inbox?: Inbox;
  readonly scheduler?: SchedulerApi;
  readonly now: () => number;
}

/** The service. Throws TOOL_DENIED for a context that was handed none. */
export function requireService<T>(service: T | undefined, what: string): T {
  if (service !== undefined) return service;
  throw new NightshiftError("TOOL_DENIED", `This context has no access to ${what}.`);
}
