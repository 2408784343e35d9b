import { NightshiftError, toPublicError } from "../errors.ts";
import type { RunReader } from "../tools/services.ts";
import type { Upstreams } from "../tools/upstream.ts";
import { type GhostCalls, openGhostCalls } from "./calls.ts";
import { type MeteredModelOptions, openMeteredModel } from "./metered-model.ts";
import { type GhostRequest, type ToThread, toWire } from "./protocol/messages.ts";
import { openGhostWaits, type WaitOptions } from "./waits.ts";

export interface RequestHandlerOptions extends MeteredModelOptions, WaitOptions {
  readonly jobId: string;
  /** The runs of the job's owner. The ghost gets those of its own job only. */
  readonly runs: RunReader;
  /** The tools of other MCP servers that this job was granted; absent where it was granted none. */
  readonly upstreams?: Upstreams | undefined;
  readonly reply: (message: ToThread) => void;
}

/** Serves the requests of one ghost, within its job and its budget. */
export interface RequestHandler {
  /** False when the ghost has too many open requests, or uses an id twice. */
  handle(id: number, request: GhostRequest): boolean;
  cancel(id: number, reason: NightshiftError): void;
  /** Cancels all open requests. */
  cancelAll(reason: NightshiftError): void;
  /** See GhostCalls. */
  readonly record: GhostCalls["record"];
}

/** A prompt sends one request at a time. A code job may send many at once; its model calls are served one by one. */
const MAX_OPEN_REQUESTS = 1_000;

export function openRequestHandler(options: RequestHandlerOptions): RequestHandler {
  const open = new Map<number, AbortController>();
  const meteredModel = openMeteredModel(options);
  const waits = openGhostWaits(options);
  const calls = openGhostCalls(options.journal, waits);

  const respond = (request: GhostRequest, signal: AbortSignal): Promise<unknown> => {
    if (request.kind === "model") return meteredModel.ask(request.input, signal);
    if (request.kind === "begin_call") return calls.begin(request);
    if (request.kind === "ask_owner") return waits.askOwner(request);
    if (request.kind === "sleep") return waits.sleep(request.until).then(() => null);
    if (request.kind === "begin_step") return calls.beginStep(request.name);
    if (request.kind === "end_step") return calls.endStep(request.key, request.value);
    if (request.kind === "upstream_call") calls.assertBegun(request.tool, request.arguments);
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
    record: calls.record,
  };
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
