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
import type { BrokerClient } from "./port.ts";
import { openToolCaller, upstreamTools } from "./tools.ts";
import { findSkipReason, type GhostSession, textOfThrown, work } from "./work.ts";

/** Runs the isolated session of one run, from its start message to its outcome. Never rejects. */
export function runSession(start: Start, client: BrokerClient): Promise<ThreadOutcome> {
  return setEntityType("scheduler", async () => {
    let toolkit: Toolkit | undefined;
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
      const onStep = limitSteps((step) => client.send({ type: "step", step }));
      const { job, action, check } = start;
      toolkit = await openToolkit(start, { tools: job.tools, action }, context, client, onStep);
      const toolCaller = openToolCaller(toolkit, client.signal, onStep);
      const ask: GhostSession["ask"] = (request, signal) =>
        client.request({ kind: "model", input: request }, signal);
      const session: GhostSession = { start, context, toolkit, toolCaller, ask, onStep };
      const reason = check && (await withContext(context, () => runCheck(check, session, client)));
      if (reason) return { ...toOutcome("skipped", null, null), reason };
      const { text, endReason } = await withContext(context, () => work(session));
      const output = text === null ? null : shorten(text, MAX_RUN_OUTPUT_CHARS);
      return { ...toOutcome("succeeded", output, null), ...(endReason && { endReason }) };
    } catch (error) {
      const failure = toRunError(error);
      const endReason = END_REASONS.find((reason) => reason === failure.data.endReason);
      return { ...toOutcome("failed", null, toWire(failure)), ...(endReason && { endReason }) };
    } finally {
      await toolkit?.dispose();
    }
  });
}

/** Runs the job's check. A check that is a tool gets a toolkit of its own: the action need not have that tool. */
async function runCheck(check: NonNullable<Start["check"]>, session: GhostSession, client: BrokerClient) {
  if (check.kind === "code") return findSkipReason(check, session, session.toolCaller);
  const { start, context, onStep } = session;
  const toolkit = await openToolkit(start, { tools: null, action: check }, context, client, onStep);
  try {
    return await findSkipReason(check, session, openToolCaller(toolkit, client.signal, onStep));
  } finally {
    await toolkit.dispose();
  }
}

/** The toolkit of this run: of the built-in tools, the user's own and those of other servers, the ones it may use. */
async function openToolkit(
  start: Start,
  selection: ToolSelection,
  context: UserContext,
  client: BrokerClient,
  onStep: (step: Step) => void,
): Promise<Toolkit> {
  const own = await loadOwnTools(start.toolModules);
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
  const catalog = createCatalog([...local, ...others]);
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

const MAX_STEPS = 1_000;

/** Limits the steps of a run, because a code job may add notes in a loop. The last step says that there were more. */
function limitSteps(send: (step: Step) => void): (step: Step) => void {
  let count = 0;
  return (step) => {
    count++;
    if (count < MAX_STEPS) send(step);
    else if (count === MAX_STEPS)
      send({ type: "note", text: "later steps are not recorded: there were too many" });
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

const toOutcome = (
  status: ThreadOutcome["status"],
  output: string | null,
  error: ThreadOutcome["error"],
): ThreadOutcome => ({ type: "outcome", status, output, error });
