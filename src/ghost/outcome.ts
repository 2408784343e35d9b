import { setTimeout as wait } from "node:timers/promises";
import { NightshiftError, toPublicError } from "../errors.ts";
import type { RunResult, WaitingFor } from "../jobs/run.ts";
import type { Claimed } from "../store/run-queue.ts";
import type { Broker } from "./broker.ts";
import type { GhostThread, ThreadExit } from "./ghost-thread.ts";
import type { ThreadOutcome } from "./protocol/messages.ts";

/** How a run ended, without its transcript and usage. */
export type Outcome = Pick<RunResult, "status" | "output" | "error" | "statusReason" | "endReason">;

/** The run waits, and goes on in another thread. */
export interface Waiting {
  readonly status: "waiting";
  readonly waitingFor: WaitingFor;
}

/** How long a ghost that was told to stop may still send steps. Then its thread is ended. */
const STOP_GRACE_MS = 500;
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Resolves to the first of these: the outcome that the thread reports, the beginning of a wait, the end of the thread,
 * the deadline, `signal`. After the last two the ghost is told to stop and gets a moment; an outcome that it reports then changes nothing.
 */
export async function awaitOutcome(
  broker: Broker,
  thread: GhostThread,
  {
    claimed: { run, job },
    maxTimeoutSeconds,
    signal,
  }: { claimed: Claimed; maxTimeoutSeconds: number; signal: AbortSignal },
): Promise<Outcome | Waiting> {
  const timeoutSeconds = Math.min(job.limits.timeoutSeconds, maxTimeoutSeconds);
  const outOfTime = timeoutSeconds < job.limits.timeoutSeconds ? outOfServerTime : outOfJobTime;
  const leftMs = Math.max(0, timeoutSeconds * 1_000 - run.workedMs);
  const { promise: stopped, resolve: stop } = Promise.withResolvers<Outcome>();
  const cancel = () => stop(failedOutcome(toPublicError(signal.reason), "cancelled"));
  const deadline = setTimeout(
    () => stop(failedOutcome(outOfTime(timeoutSeconds), "timed_out")),
    Math.min(leftMs, MAX_TIMER_MS),
  );
  signal.addEventListener("abort", cancel, { once: true });
  if (signal.aborted) cancel();
  const ended = Promise.race([
    broker.outcome,
    // Its last messages may still be in the port.
    thread.exited.then((end) => broker.drain() ?? failedOutcome(explainExit(end), "failed")),
  ]);
  try {
    const waiting = broker.waiting.then((waitingFor) => ({ status: "waiting", waitingFor }) as const);
    const end = await Promise.race([ended, stopped, waiting]);
    if (end.status === "waiting") return end;
    const { status, output, error } = end;
    if (status === "timed_out" || status === "cancelled") {
      if (error) broker.cancel(error);
      await Promise.race([ended, wait(STOP_GRACE_MS, undefined, { ref: false })]);
    }
    const { reason, endReason } = end as Partial<ThreadOutcome>;
    return {
      status,
      output,
      error,
      ...(reason !== undefined && { statusReason: reason }),
      ...(endReason !== undefined && { endReason }),
    };
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener("abort", cancel);
  }
}

/** The reason for which runs are ended when this process stops. A run that may go on is queued again. */
export const interruption = () =>
  new NightshiftError(
    "CANCELLED",
    "Nightshift was stopped while this run was at work; it was not finished.",
    {
      isInterruption: true,
    },
  );

export const isInterruption = (reason: unknown): boolean =>
  reason instanceof NightshiftError && reason.data.isInterruption === true;

/** An outcome without an output. */
export const failedOutcome = (
  { code, message }: Pick<NightshiftError, "code" | "message">,
  status: "failed" | "timed_out" | "cancelled",
): Outcome => ({ status, output: null, error: { code, message } });

const outOfServerTime = (timeoutSeconds: number) =>
  ({
    code: "GHOST_TIMED_OUT",
    message: `Stopped after ${timeoutSeconds} s: that is the longest time that this server gives a run, and less than this job's timeout_seconds.`,
  }) as const;

const outOfJobTime = (timeoutSeconds: number) =>
  ({
    code: "GHOST_TIMED_OUT",
    message: `Stopped after ${timeoutSeconds} s: that is the time this job's timeout_seconds gives a run.`,
  }) as const;

function explainExit(end: ThreadExit): Pick<NightshiftError, "code" | "message"> {
  const code = "GHOST_CRASHED";
  if (end.kind === "exited")
    return { code, message: `The ghost's thread ended with exit code ${end.code} before its work was done.` };
  if (end.outOfMemory)
    return {
      code,
      message: "The ghost ran out of memory; NIGHTSHIFT_GHOST_MEMORY_MB sets how much a ghost may have.",
    };
  return { code, message: `The ghost's code threw an error that nothing caught: ${end.error}` };
}
