import { NightshiftError } from "../errors.ts";
import type { FactStore } from "../facts/store.ts";
import type { JobStore, RunStore } from "../jobs/contracts.ts";
import type { DeliveryReader } from "../jobs/delivery.ts";
import type { Inbox } from "../jobs/inbox-item.ts";
import type { Action, Job } from "../jobs/job.ts";
import type { TranscriptStep } from "../jobs/run.ts";

/** Read access to runs. That of a ghost is bound to its own job. */
export type RunReader = Pick<RunStore, "get" | "list">;

/** The scheduler, as the tools for jobs see it. */
export interface SchedulerApi {
  /** A sentence: why an action of this kind could not run here, and what to do; undefined when it can. */
  obstacle(kind: Action["kind"]): string | undefined;
  /** A sentence: why this server leaves the job to others, for want of a model, a folder or a tool; undefined if it runs it. */
  waitsFor(job: Pick<Job, "action" | "tools" | "provision">): string | undefined;
  /** A sentence for the result of schedule_task: when jobs of this kind run, where that depends on a stdio server's client. */
  caveat?(kind: Action["kind"]): Promise<string>;
  /** The longest time that a run gets here, whatever its job says. */
  readonly maxTimeoutSeconds: number;
  /** The names of all tools that a ghost of this host can have. */
  ghostTools(): readonly string[];
  /**
   * Asks the other MCP servers of this host for the tools among `names` (`server__tool`, `server__*`). Resolves to a
   * warning for each server that does not answer. Rejects with TOOL_NOT_FOUND for a tool that its server does not have.
   */
  checkUpstreams(names: readonly string[]): Promise<readonly string[]>;
  isUpstream(name: string): boolean;
  /** Throws TOOL_DENIED when the caller's credential has no scope for the server of one of these tools. */
  assertMayName(tools: readonly string[]): void;
  /** The names of the tools that a ghost of this job is offered. */
  toolsOf(job: Pick<Job, "tools" | "action" | "provision">): readonly string[];
  /** Calls `listener` with each step of a run in this process, until the returned function is called. Checks no owner. */
  follow(runId: string, listener: (step: TranscriptStep) => void): () => void;
  /** Throws INVALID_ARGUMENTS, with what to do, for a URL to which this host does not send. */
  checkWebhook(url: string): void;
  /** Makes the scheduler look again now: something may be due sooner than it knew. */
  wake(): void;
}

/** The zone for calls that name none, and a sentence for a caller who may not know it. */
export interface UserZone {
  /** IANA name. */
  readonly timezone: string;
  readonly warning?: string;
}

/**
 * Everything that the tools of one context can reach. Each part is bound to the context's user. A ghost's context has
 * `runs` only: its tools have no memory and cannot schedule.
 */
export interface Services {
  readonly facts?: FactStore;
  readonly jobs?: JobStore;
  readonly runs?: RunReader;
  readonly runControl?: Pick<RunStore, "summary" | "enqueue" | "backfill" | "cancel" | "answer">;
  /** Deliveries of runs to webhooks. */
  readonly deliveries?: DeliveryReader;
  /** Results of the user's jobs. No ghost has it. */
  readonly inbox?: Inbox;
  readonly scheduler?: SchedulerApi;
  /** The user's time zone. No ghost has it. */
  readonly zone?: { read(): Promise<UserZone>; set(timezone: string): Promise<void> };
  readonly now: () => number;
}

/** The service. Throws TOOL_DENIED for a context that has none. */
export function requireService<T>(service: T | undefined, what: string): T {
  if (service !== undefined) return service;
  throw new NightshiftError("TOOL_DENIED", `This context has no access to ${what}.`);
}
