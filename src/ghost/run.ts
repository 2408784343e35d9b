import { randomUUID } from "node:crypto";
import { resolve, sep } from "node:path";
import { retry } from "../async.ts";
import { NightshiftError, toPublicError } from "../errors.ts";
import { type Action, ghostSessionId } from "../jobs/job.ts";
import type { EndStatus, Run, RunResult } from "../jobs/run.ts";
import type { Log } from "../log.ts";
import type { Model } from "../model/model.ts";
import type { Claimed } from "../store/run-queue.ts";
import { serverOf, type Upstreams } from "../tools/upstream.ts";
import { grantsOf, selectionOf } from "./allowed-tools.ts";
import { type Broker, openBroker } from "./broker.ts";
import { type GhostDeps, notifyListeners } from "./deps.ts";
import type { GhostThread } from "./ghost-thread.ts";
import { openJournal } from "./go-on.ts";
import type { RunJournal } from "./journal.ts";
import { awaitOutcome, failedOutcome, isInterruption, type Outcome, type Waiting } from "./outcome.ts";
import type { Start } from "./protocol/messages.ts";
import { openRunModel } from "./run-model.ts";

/**
 * Starts a ghost run and records its end: runs a claimed run in a thread of its own, ends the thread, writes the end and
 * the audit line once, and calls the listeners. Resolves to the status in the run's row: `lost` when another process
 * has taken the run over, `queued` or `waiting` when it goes on later, in another thread. Never rejects: every failure
 * is the run's outcome. `signal` ends the run early, with its reason.
 */
export async function runGhost(
  claim: Claimed,
  deps: GhostDeps,
  signal: AbortSignal,
): Promise<EndStatus | "queued" | "waiting"> {
  const correlationId = randomUUID();
  const startedAtMs = performance.now();
  let claimed = claim;
  let thread: GhostThread | undefined;
  let broker: Broker | undefined;
  let journal: RunJournal | undefined;
  let upstreams: Upstreams | undefined;
  let outcome: Outcome | Waiting;
  const { maxTimeoutSeconds = Number.POSITIVE_INFINITY, outages, now } = deps;
  const timeoutMs = Math.min(claimed.job.limits.timeoutSeconds, maxTimeoutSeconds) * 1_000;
  const runModel = openRunModel(deps.model, {
    run: claimed.run,
    outages,
    until: startedAtMs + timeoutMs - claimed.run.workedMs,
    now,
  });
  try {
    const begun = await openJournal(claim, deps);
    ({ claimed, journal } = begun);
    upstreams = openGrantedUpstreams(claimed.job, deps);
    const usesUpstreams = upstreams !== undefined;
    const { previousOutput } = begun;
    const start = toStart(claimed, deps, { correlationId, usesUpstreams, previousOutput });
    signal.throwIfAborted();
    thread = await deps.threads.take();
    broker = openRunBroker(claimed, deps, { thread, upstreams, journal, model: runModel.model });
    broker.start(start);
    outcome = await awaitOutcome(broker, thread, { claimed, maxTimeoutSeconds, signal });
  } catch (error) {
    if (!(error instanceof NightshiftError)) deps.log.error({ err: error }, "a ghost could not be started");
    outcome = failedOutcome(toPublicError(error), signal.aborted ? "cancelled" : "failed");
  }
  broker?.close();
  // The servers' processes may take a moment to end. The outcome is written meanwhile; this function waits for them.
  const closing = upstreams?.close();
  await thread?.terminate();
  const parked = await park(claimed.run, outcome, { journal, deps, signal });
  if (parked === "waiting" || parked === "queued") {
    notifyListeners(deps, (listener) => listener.onParked?.(claimed));
    await closing;
    return parked;
  }

  const { silentToken } = claimed.job.provision;
  const modelFailure = runModel.failureOf(parked.error);
  const result: RunResult = {
    ...parked,
    ...(modelFailure && { modelFailure }),
    silent: silentToken !== null && parked.output?.trim() === silentToken,
    transcript: journal?.transcript ?? [],
    usage: journal?.usage ?? claimed.run.usage,
  };
  const isWritten = await writeEnd(claimed.run, result, deps);
  const status = isWritten ? result.status : "lost";
  audit(claimed, { status, code: result.error?.code, correlationId, startedAtMs }, deps.log);
  if (isWritten) notifyListeners(deps, (listener) => listener.onEnd?.(claimed, result));
  await closing;
  return status;
}

/** Fields of the start message that do not come from the claim. */
interface StartExtras {
  readonly correlationId: string;
  readonly usesUpstreams: boolean;
  readonly previousOutput: string | null;
}

/** The start message. It has no key, nothing of another user, and no path but that of the job's own code. */
function toStart(
  { run, job }: Claimed,
  deps: GhostDeps,
  { correlationId, usesUpstreams, previousOutput }: StartExtras,
): Start {
  return {
    type: "start",
    user: { userId: job.userId, userKey: job.userKey },
    correlationId,
    threadId: `thread_${randomUUID()}`,
    job: {
      jobId: job.jobId,
      name: job.name,
      timezone: job.timezone,
      tools: job.tools && [...job.tools],
      useReactLoop: job.limits.useReactLoop,
      maxIterations: job.limits.maxIterations,
      mayAsk: job.provision.mayAsk,
      approveTools: [...(job.provision.approveTools ?? [])],
      usesUpstreams,
      pinnedFacts: job.provision.pinnedFacts.map(({ text }) => text),
      silentToken: job.provision.silentToken,
    },
    action: withFilePath(job.action, deps.jobsDir),
    check: job.provision.check && withFilePath(job.provision.check, deps.jobsDir),
    run: {
      runId: run.runId,
      prompt: run.prompt,
      parentSessionId: run.parentSessionId,
      scheduledFor: run.scheduledFor,
      startedAt: run.startedAt ?? deps.now(),
      coalesced: run.coalesced,
      resumed: run.resumed,
      previousOutput,
    },
    toolModules: [...deps.toolModules],
  };
}

/**
 * Stores that the run goes on later, where it waits or was interrupted. Resolves to its status then, or to the outcome
 * with which it ends.
 */
async function park(
  { runId }: Run,
  outcome: Outcome | Waiting,
  { journal, deps, signal }: { journal: RunJournal | undefined; deps: GhostDeps; signal: AbortSignal },
): Promise<Outcome | "queued" | "waiting"> {
  const { runQueue, now, log } = deps;
  const onFailure = (error: unknown) =>
    log.error({ err: error, run_id: runId }, "it could not be stored that a run goes on later");
  try {
    if (outcome.status === "waiting" && journal) {
      const { waitingFor } = outcome;
      const { unwritten: entries, workedMs, usage } = journal;
      const wait = { waitingFor, entries, progress: { workedMs, usage } };
      if (await retry(() => runQueue.wait(runId, wait, now()), { onFailure })) return "waiting";
    } else if (outcome.status === "cancelled" && isInterruption(signal.reason)) {
      await journal?.write();
      if (await runQueue.requeue(runId, now())) return "queued";
    }
  } catch (error) {
    onFailure(error);
  }
  return outcome.status === "waiting" ? failedOutcome(toPublicError(signal.reason), "failed") : outcome;
}

/** The configured servers whose tools the job names; undefined where it names none. */
function openGrantedUpstreams(job: Claimed["job"], { upstreams }: GhostDeps): Upstreams | undefined {
  const { check } = job.provision;
  const checked = check?.kind === "tool" ? grantsOf({ tools: null, action: check, approveTools: [] }) : [];
  const grants = [...grantsOf(selectionOf(job)), ...checked].filter((name) =>
    upstreams?.servers.includes(serverOf(name) ?? ""),
  );
  return grants.length > 0 ? upstreams?.open(grants, job.userKey) : undefined;
}

/** The action with the absolute path of its code file. Throws JOB_FILE_INVALID for a file outside of the jobs folder. */
function withFilePath<Any extends Action>(action: Any, jobsDir: string | undefined): Any {
  if (action.kind !== "code") return action;
  const folder = jobsDir && resolve(jobsDir);
  const file = folder && resolve(folder, action.file);
  if (!file?.startsWith(folder + sep))
    throw new NightshiftError("JOB_FILE_INVALID", `The jobs folder has no file ${action.file}.`);
  return { ...action, file };
}

function openRunBroker(
  claimed: Claimed,
  deps: GhostDeps,
  parts: {
    thread: GhostThread;
    upstreams: Upstreams | undefined;
    journal: RunJournal;
    model: Model | undefined;
  },
): Broker {
  const { job, run } = claimed;
  return openBroker({
    port: parts.thread.port,
    upstreams: parts.upstreams,
    jobId: job.jobId,
    model: parts.model,
    maxTokens: job.limits.maxTokens,
    budget: deps.openBudget(job),
    runs: deps.openRuns(job.userKey),
    log: deps.log.child({ job_id: job.jobId, run_id: run.runId }),
    journal: parts.journal,
    now: deps.now,
    provision: job.provision,
    mayWait: () => deps.runQueue.mayWait(job),
    isApproved: (tool, argumentsHash) => deps.runQueue.isApproved(job, tool, argumentsHash),
    asksInAnyOrder: job.action.kind === "code",
  });
}

/** Writes the end of a run, with retries. False when it could not be written, or the run has another end already. */
async function writeEnd({ runId, userKey }: Run, result: RunResult, deps: GhostDeps): Promise<boolean> {
  const { runQueue, openRuns, log, now } = deps;
  let hasFailed = false;
  const onFailure = (error: unknown) => {
    hasFailed = true;
    log.error({ err: error, run_id: runId }, "the end of a run could not be written");
  };
  const finish = async () => {
    if (await runQueue.finish(runId, result, now())) return true;
    // A try that failed may have been written without being confirmed; then the row has this very end.
    return hasFailed && (await openRuns(userKey).get(runId)).status === result.status;
  };
  try {
    return await retry(finish, { onFailure });
  } catch (error) {
    onFailure(error);
    // The lease will run out, and the run be marked as lost.
    return false;
  }
}

interface AuditFields {
  readonly status: EndStatus;
  readonly code: string | undefined;
  readonly correlationId: string;
  readonly startedAtMs: number;
}

const AUDITED_PROMPT_CHARS = 120;

function audit(
  { run, job }: Claimed,
  { status, code, correlationId, startedAtMs }: AuditFields,
  log: Log,
): void {
  log.info(
    {
      job_id: job.jobId,
      run_id: run.runId,
      correlation_id: correlationId,
      ghost_session_id: ghostSessionId(job.jobId),
      entity_type: "scheduler",
      is_automated: true,
      parent_session_id: run.parentSessionId,
      prompt: run.prompt.slice(0, AUDITED_PROMPT_CHARS),
      status,
      ...(code && { error_code: code }),
      ...(run.resumed > 0 && { resumed: run.resumed }),
      execution_time_seconds: Math.round(performance.now() - startedAtMs) / 1_000,
    },
    "ghost run ended",
  );
}
