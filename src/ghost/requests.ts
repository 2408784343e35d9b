import { retry } from "../async.ts";
import { NightshiftError, toPublicError } from "../errors.ts";
import type { Usage } from "../jobs/run.ts";
import type { Log } from "../log.ts";
import type { Model, ModelAnswer, ModelRequest } from "../model/model.ts";
import type { TokenBudget } from "../store/usage.ts";
import type { RunReader } from "../tools/services.ts";
import type { Upstreams } from "../tools/upstream.ts";
import { type GhostRequest, type ToThread, toWire } from "./protocol/messages.ts";

export interface RequestHandlerOptions {
  readonly jobId: string;
  /** Absent where no model is configured. Its key stays on the main side. */
  readonly model: Model | undefined;
  /** Input and output tokens that this run may use. */
  readonly maxTokens: number;
  /** The budget that this run shares with others. */
  readonly budget: TokenBudget;
  /** The runs of the job's owner. The ghost gets those of its own job only. */
  readonly runs: RunReader;
  /** The tools of other MCP servers that this job was granted; absent where it was granted none. */
  readonly upstreams?: Upstreams | undefined;
  readonly log: Log;
  readonly reply: (message: ToThread) => void;
  /** Adds a note to the run's transcript. */
  readonly onNote: (text: string) => void;
}

/** Serves the requests of one ghost, within its job and its budget. */
export interface RequestHandler {
  /** False when the ghost has too many open requests, or uses an id twice. */
  handle(id: number, request: GhostRequest): boolean;
  cancel(id: number, reason: NightshiftError): void;
  /** Cancels all open requests. */
  cancelAll(reason: NightshiftError): void;
  readonly usage: Usage;
}

/** A prompt sends one request at a time. A code job may send many at once; its model calls are served one by one. */
const MAX_OPEN_REQUESTS = 1_000;

export function openRequestHandler(options: RequestHandlerOptions): RequestHandler {
  const open = new Map<number, AbortController>();
  const meteredModel = openMeteredModel(options);

  const respond = (request: GhostRequest, signal: AbortSignal): Promise<unknown> => {
    if (request.kind === "model") return meteredModel.ask(request.input, signal);
    if (request.kind === "list_runs") return listOwnRuns(options, request.options);
    if (request.kind === "get_run") return getOwnRun(options, request.runId);
    return callUpstreams(options, request, signal);
  };
  const serve = async (id: number, request: GhostRequest, signal: AbortSignal): Promise<void> => {
    try {
      options.reply({ type: "response", id, value: await respond(request, signal) });
    } catch (error) {
      if (!(error instanceof NightshiftError))
        options.log.error({ err: error }, "a ghost's request failed unexpectedly");
      options.reply({ type: "error", id, error: toWire(toPublicError(error)) });
    } finally {
      open.delete(id);
    }
  };
  return {
    handle(id, request) {
      if (open.size >= MAX_OPEN_REQUESTS || open.has(id)) return false;
      const stop = new AbortController();
      open.set(id, stop);
      void serve(id, request, stop.signal);
      return true;
    },
    cancel: (id, reason) => open.get(id)?.abort(reason),
    cancelAll(reason) {
      for (const stop of open.values()) stop.abort(reason);
    },
    get usage() {
      return meteredModel.usage;
    },
  };
}

/** Makes the model calls of one ghost, one after the other, so that each is checked against the use of all before it. */
function openMeteredModel({ model, maxTokens, budget, log, onNote }: RequestHandlerOptions) {
  let usage: Usage = { input_tokens: 0, output_tokens: 0 };
  let hasEstimate = false;
  let last: Promise<unknown> = Promise.resolve();
  const onFailure = (error: unknown) =>
    log.error({ err: error }, "the tokens of a ghost's model call could not be written");
  const askNow = async (request: ModelRequest, signal: AbortSignal): Promise<ModelAnswer> => {
    signal.throwIfAborted();
    if (!model)
      throw new NightshiftError(
        "MODEL_NOT_CONFIGURED",
        "No model is configured: set NIGHTSHIFT_MODEL (and NIGHTSHIFT_MODEL_API_KEY where one is needed).",
      );
    if (usage.input_tokens + usage.output_tokens >= maxTokens) throw overBudget(usage, maxTokens);
    await budget.assertLeft();
    const answer = await model.generate(request, signal);
    const spent = answer.usage.input_tokens + answer.usage.output_tokens;
    usage = {
      input_tokens: usage.input_tokens + answer.usage.input_tokens,
      output_tokens: usage.output_tokens + answer.usage.output_tokens,
    };
    if (answer.usageIsEstimate && !hasEstimate) {
      hasEstimate = true;
      onNote(ESTIMATED);
      log.warn({ model: model.name }, "a model reported no tokens, or a number that cannot be true");
    }
    await retry(() => budget.spend(spent), { onFailure, signal });
    return answer;
  };
  return {
    ask(request: ModelRequest, signal: AbortSignal): Promise<ModelAnswer> {
      const answer = last.then(() => askNow(request, signal));
      last = answer.catch(() => {});
      return answer;
    },
    get usage() {
      return usage;
    },
  };
}

const ESTIMATED =
  "The model reported no tokens, or a number that cannot be true; this run's usage is partly an estimate.";

function overBudget({ input_tokens, output_tokens }: Usage, maxTokens: number): NightshiftError {
  const spent = input_tokens + output_tokens;
  return new NightshiftError(
    "BUDGET_EXCEEDED",
    `Stopped before the next model call: this run has used ${spent} tokens (${input_tokens} in, ${output_tokens} out) of the ${maxTokens} that its max_tokens allows.`,
    { spent, maxTokens },
  );
}

type UpstreamRequest = Extract<GhostRequest, { kind: "upstream_tools" | "upstream_call" }>;

/** Servers and grants were fixed when the port was opened; no message can change them. */
async function callUpstreams(
  { upstreams }: RequestHandlerOptions,
  request: UpstreamRequest,
  signal: AbortSignal,
) {
  if (!upstreams) throw new NightshiftError("TOOL_DENIED", "This run was granted no tool of another server.");
  if (request.kind === "upstream_tools") return upstreams.list(signal);
  return upstreams.call(request.tool, request.arguments, signal);
}

type ListOptions = Extract<GhostRequest, { kind: "list_runs" }>["options"];

function listOwnRuns(
  { runs, jobId }: RequestHandlerOptions,
  { jobId: wanted = jobId, ...rest }: ListOptions,
) {
  return wanted === jobId ? runs.list({ ...rest, jobId }) : Promise.resolve({ runs: [] });
}

async function getOwnRun({ runs, jobId }: RequestHandlerOptions, runId: string) {
  const run = await runs.get(runId);
  if (run.jobId === jobId) return run;
  throw new NightshiftError("RUN_NOT_FOUND", `This job has no run ${runId}.`);
}
