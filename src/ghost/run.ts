import { randomUUID } from "node:crypto";
import { resolve, sep } from "node:path";
import { retry } from "../async.ts";
import { NightshiftError, toPublicError } from "../errors.ts";
import { type Action, ghostSessionId, type Job } from "../jobs/job.ts";
import type { EndStatus, Run, RunResult, TranscriptStep } from "../jobs/run.ts";
import type { Log } from "../log.ts";
import type { Model } from "../model/model.ts";
import type { ModelOutages } from "../model/outages.ts";
import type { Claimed, RunQueue } from "../store/run-queue.ts";
import type { TokenBudget } from "../store/usage.ts";
import type { RunReader } from "../tools/services.ts";
import { serverOf, type Upstreams } from "../tools/upstream.ts";
import { grantsOf } from "./allowed-tools.ts";
import { type Broker, openBroker } from "./broker.ts";
import type { GhostThread } from "./ghost-thread.ts";
import { awaitOutcome, failedOutcome, type Outcome } from "./outcome.ts";
import { MAX_PREVIOUS_CHARS, type Start, shorten } from "./protocol/messages.ts";
import { openRunModel } from "./run-model.ts";

/** The dependencies of a run, which are the same for all runs of this process. */
export interface GhostDeps {
  readonly threads: { take(): Promise<GhostThread> };
  readonly runQueue: Pick<RunQueue, "finish">;
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
}

/**
 * Starts a ghost run and records its end: runs a claimed run in a thread of its own, ends the thread, writes the end and
 * the audit line once, and calls the listeners. Resolves to the status in the run's row, which is `lost` when the run
 * was marked as lost before it could end. Never rejects: every failure is the run's outcome. `signal` ends the run
 * early, with its reason.
 */
export async function runGhost(claimed: Claimed, deps: GhostDeps, signal: AbortSignal): Promise<EndStatus> {
  const correlationId = randomUUID();
  const startedAtMs = performance.now();
  let thread: GhostThread | undefined;
  let broker: Broker | undefined;
  let outcome: Outcome;
  const { maxTimeoutSeconds = Number.POSITIVE_INFINITY, outages, now } = deps;
  const timeoutMs = Math.min(claimed.job.limits.timeoutSeconds, maxTimeoutSeconds) * 1_000;
  const runModel = openRunModel(deps.model, {
    run: claimed.run,
    outages,
    until: startedAtMs + timeoutMs,
    now,
  });
  const upstreams = openGrantedUpstreams(claimed.job, deps);
  try {
    const previousOutput = await previousOutputOf(claimed.job, deps);
    const usesUpstreams = upstreams !== undefined;
    const start = toStart(claimed, deps, { correlationId, usesUpstreams, previousOutput });
    signal.throwIfAborted();
    thread = await deps.threads.take();
    broker = openRunBroker(claimed, deps, { thread, upstreams, model: runModel.model });
    broker.start(start);
    outcome = await awaitOutcome(broker, thread, { job: claimed.job, maxTimeoutSeconds, signal });
  } catch (error) {
    if (!(error instanceof NightshiftError)) deps.log.error({ err: error }, "a ghost could not be started");
    outcome = failedOutcome(toPublicError(error), signal.aborted ? "cancelled" : "failed");
  }
  broker?.close();
  // The servers' processes may take a moment to end. The outcome is written meanwhile; this function waits for them.
  const closing = upstreams?.close();
  await thread?.terminate();

  const { silentToken } = claimed.job.provision;
  const modelFailure = runModel.failureOf(outcome.error);
  const result: RunResult = {
    ...outcome,
    ...(modelFailure && { modelFailure }),
    silent: silentToken !== null && outcome.output?.trim() === silentToken,
    transcript: broker?.transcript ?? [],
    usage: broker?.usage ?? { input_tokens: 0, output_tokens: 0 },
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
      previousOutput,
    },
    toolModules: [...deps.toolModules],
  };
}

/** Runs that are looked at for one that was not silent. */
const MAX_LOOKS_BACK = 20;

/**
 * The output of this job's last run that succeeded and was not silent. A job that runs after another gets the output of
 * the other's last run that succeeded, or none if that was silent.
 */
async function previousOutputOf(job: Job, deps: GhostDeps): Promise<string | null> {
  const { userKey, provision, schedule } = job;
  if (!provision.previousOutput) return null;
  const isAfter = schedule.kind === "after";
  const filter = { jobId: isAfter ? schedule.jobId : job.jobId, status: "succeeded", limit: 1 } as const;
  const runs = deps.openRuns(userKey);
  // One at a time: mostly the last run is the one, and outputs may be long.
  let page = await runs.list(filter);
  for (let looks = 1; ; looks++) {
    const [run] = page.runs;
    if (run && run.output !== null && !run.silent) return shorten(run.output, MAX_PREVIOUS_CHARS);
    if (!page.nextCursor || isAfter || looks === MAX_LOOKS_BACK) return null;
    page = await runs.list({ ...filter, cursor: page.nextCursor });
  }
}

/** The configured servers whose tools the job names; undefined where it names none. */
function openGrantedUpstreams(job: Claimed["job"], { upstreams }: GhostDeps): Upstreams | undefined {
  const { check } = job.provision;
  const checked = check?.kind === "tool" ? grantsOf({ tools: null, action: check }) : [];
  const grants = [...grantsOf(job), ...checked].filter((name) =>
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
  parts: { thread: GhostThread; upstreams: Upstreams | undefined; model: Model | undefined },
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
    onStep: (step) => notifyListeners(deps, (listener) => listener.onStep?.(claimed, step)),
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
      execution_time_seconds: Math.round(performance.now() - startedAtMs) / 1_000,
    },
    "ghost run ended",
  );
}

function notifyListeners(
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
