import { setEntityType, withContext } from "../../context/current-context.ts";
import { createUserContext, type UserContext } from "../../context/user-context.ts";
import { NightshiftError } from "../../errors.ts";
import { ghostSessionId } from "../../jobs/job.ts";
import { END_REASONS } from "../../jobs/run.ts";
import { ghostTools } from "../../tools/builtin-ghost.ts";
import { createCatalog } from "../../tools/catalog.ts";
import type { ToolDefinition } from "../../tools/define.ts";
import { loadToolModules } from "../../tools/modules.ts";
import type { Services } from "../../tools/services.ts";
import { buildToolkit, type Toolkit } from "../../tools/toolkit.ts";
import { isWildcard } from "../../tools/upstream.ts";
import { allowedTools, grantsOf, type ToolSelection } from "../allowed-tools.ts";
import {
  MAX_RUN_OUTPUT_CHARS,
  type Start,
  type Step,
  shorten,
  type ThreadOutcome,
  toWire,
} from "../protocol/messages.ts";
import { askOwnerTool } from "./owner.ts";
import type { BrokerClient } from "./port.ts";
import { openToolCaller, upstreamTools } from "./tools.ts";
import { findSkipReason, type GhostSession, textOfThrown, work } from "./work.ts";

/** Runs the isolated session of one run, from its start message to its outcome. Never rejects. */
export function runSession(start: Start, client: BrokerClient): Promise<ThreadOutcome> {
  return setEntityType("scheduler", async () => {
    try {
      const context = createUserContext({
        principal: start.user,
        entityType: "scheduler",
        signal: client.signal,
        sessionId: ghostSessionId(start.job.jobId),
        threadId: start.threadId,
        runId: start.run.runId,
        correlationId: start.correlationId,
        metadata: {
          job_id: start.job.jobId,
          parent_session_id: start.run.parentSessionId,
          prompt: start.run.prompt,
        },
      });
      const onStep = limitNotes((step) => client.send({ type: "step", step }));
      const own = await loadOwnTools(start.toolModules);
      return await checkAndWork(start, (selection, use) =>
        withSession({ start, context, own, client, onStep }, selection, use),
      );
    } catch (error) {
      const failure = toRunError(error);
      const endReason = END_REASONS.find((reason) => reason === failure.data.endReason);
      return { ...toOutcome("failed", null, toWire(failure)), ...(endReason && { endReason }) };
    }
  });
}

/**
 * Runs the job's check and then its action. A check that is a tool gets a toolkit of its own: the action need not have
 * that tool, and the servers whose tools the action has are not started when there is nothing to do.
 */
async function checkAndWork(
  { job, action, check }: Start,
  open: <T>(selection: ToolSelection, use: (session: GhostSession) => Promise<T>) => Promise<T>,
): Promise<ThreadOutcome> {
  if (check?.kind === "tool") {
    const reason = await open({ tools: null, action: check, approveTools: [] }, (session) =>
      findSkipReason(check, session),
    );
    if (reason) return toSkipped(reason);
  }
  return open({ tools: job.tools, action, approveTools: job.approveTools }, async (session) => {
    const reason = check?.kind === "code" && (await findSkipReason(check, session));
    if (reason) return toSkipped(reason);
    const { text, endReason } = await work(session);
    const output = text === null ? null : shorten(text, MAX_RUN_OUTPUT_CHARS);
    return { ...toOutcome("succeeded", output, null), ...(endReason && { endReason }) };
  });
}

interface SessionParts {
  readonly start: Start;
  readonly context: UserContext;
  /** The user's own tools. */
  readonly own: readonly ToolDefinition<Services>[];
  readonly client: BrokerClient;
  readonly onStep: (step: Step) => void;
}

/** Calls `use` with a session that has the selected tools, and disposes of these after it. */
async function withSession<T>(
  parts: SessionParts,
  selection: ToolSelection,
  use: (session: GhostSession) => Promise<T>,
): Promise<T> {
  const { start, context, client, onStep } = parts;
  const toolkit = await openToolkit(parts, selection);
  try {
    const toolCaller = openToolCaller(toolkit, client);
    const ask: GhostSession["ask"] = (request, signal) =>
      client.request({ kind: "model", input: request }, signal);
    return await withContext(context, () =>
      use({ start, context, toolkit, toolCaller, client, ask, onStep }),
    );
  } finally {
    await toolkit.dispose();
  }
}

/** A toolkit of the tools that this run may use: built-in ones, the user's own, and those of other servers. */
async function openToolkit(
  { start, context, own, client, onStep }: SessionParts,
  selection: ToolSelection,
): Promise<Toolkit> {
  const allowed = new Set(allowedTools(selection, ghostTools, own));
  const grants = start.job.usesUpstreams ? grantsOf(selection) : [];
  const others = grants.length > 0 ? await upstreamTools(client, { grants, taken: allowed }, onStep) : [];
  const found = new Set([...allowed, ...others.map(({ name }) => name)]);
  const missing = (selection.tools ?? []).filter((name) => !found.has(name) && !isWildcard(name));
  if (missing.length > 0 && selection.action.kind !== "tool")
    onStep({
      type: "note",
      text: shorten(`the job names tools that no ghost has: ${missing.join(", ")}`, 1_000),
    });
  const local = [...ghostTools, ...own].filter(({ name }) => allowed.has(name)).map(withoutOutput);
  const asking = start.job.mayAsk ? [askOwnerTool(client)] : [];
  const catalog = createCatalog([...local, ...others, ...asking]);
  const services: Services = {
    now: Date.now,
    runs: {
      get: (runId) => client.request({ kind: "get_run", runId }, context.signal),
      list: (options = {}) => client.request({ kind: "list_runs", options }, context.signal),
    },
  };
  return buildToolkit(catalog, context, services, {
    error(fields) {
      const { err, tool } = fields as { err?: unknown; tool?: string };
      client.send({ type: "failure", tool: shorten(String(tool), 200), error: shorten(String(err), 1_000) });
    },
  });
}

/** Models get no output schemas, so none is converted. */
function withoutOutput({ outputSchema: _, ...tool }: ToolDefinition<Services>): ToolDefinition<Services> {
  return tool;
}

async function loadOwnTools(patterns: readonly string[]): Promise<readonly ToolDefinition<Services>[]> {
  if (patterns.length === 0) return [];
  return (await loadToolModules(patterns)).tools as readonly ToolDefinition<Services>[];
}

/** The main side records no more steps than these anyway, and ends a ghost that floods its port. */
const MAX_NOTES = 1_000;

function limitNotes(send: (step: Step) => void): (step: Step) => void {
  let count = 0;
  return (step) => {
    count++;
    if (count <= MAX_NOTES) send(step);
  };
}

/** An error of the job's own code keeps its message, because its owner reads it. */
function toRunError(error: unknown): NightshiftError {
  if (error instanceof NightshiftError) return error;
  if (error === null || error === undefined)
    return new NightshiftError(
      "INTERNAL",
      `The job's code threw ${error}, which says nothing about what failed.`,
    );
  return new NightshiftError("TOOL_FAILED", `The job's code failed: ${textOfThrown(error)}`);
}

const toSkipped = (reason: string): ThreadOutcome => ({ ...toOutcome("skipped", null, null), reason });

const toOutcome = (
  status: ThreadOutcome["status"],
  output: string | null,
  error: ThreadOutcome["error"],
): ThreadOutcome => ({ type: "outcome", status, output, error });
