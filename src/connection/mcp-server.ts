import { McpServer } from "@modelcontextprotocol/server";
import type { OwnerEvent } from "../events.ts";
import type { RunEnded } from "../jobs/run.ts";
import { type ServerParts, type SetHandler, withPublicErrors } from "./handlers.ts";
import { forModules, letModulesRegister } from "./modules.ts";
import { setPromptHandlers } from "./prompts.ts";
import { mayRead, setResourceHandlers, setSubscriptionHandlers } from "./resources.ts";
import { declareCapabilities, handlerSetter, refuseWrongParameters } from "./sdk-patches.ts";
import { RESULT_INFO, SERVER_INFO } from "./server-info.ts";
import { setToolHandlers } from "./tools.ts";

const INSTRUCTIONS =
  "Nightshift remembers facts for this user (save_fact, recall_facts) and has prompts worked on at a later time by ghosts (schedule_task). A ghost is an automated session with tools of its own; it can neither read nor write this user's memory, so put what it needs to know into its prompt. What ghosts come to is in the inbox.";

const CAPABILITIES = Object.freeze({
  tools: {},
  resources: { subscribe: true },
  prompts: {},
  completions: {},
});
/**
 * A 2025-era client may be sent log messages between its requests. On 2026-07-28 a log message belongs to a request
 * that asked for it; the only call that lasts until a run has ended, run_job, returns the run itself.
 */
const LEGACY_CAPABILITIES = Object.freeze({ ...CAPABILITIES, logging: {} });

/**
 * Builds the MCP server of one connection. Users' modules register first; our handlers then replace theirs, and call
 * them for tools, prompts and URIs that are not ours. Where both have the same name, ours wins. Rejects with
 * TOOL_MODULE_INVALID when a module's `register` fails. `release` ends the server's subscription to events.
 */
export async function buildServer(parts: ServerParts): Promise<{ server: McpServer; release: () => void }> {
  const { era, toolkit, registers } = parts;
  const server = new McpServer(era === "legacy" ? SERVER_INFO : RESULT_INFO, {
    instructions: INSTRUCTIONS,
    ...(registers.length > 0 && forModules(toolkit.context)),
  });
  const moduleHandlers = await letModulesRegister(server, parts);
  declareCapabilities(server, era === "legacy" ? LEGACY_CAPABILITIES : CAPABILITIES);
  const setHandler = handlerSetter(server);
  const set: SetHandler = (method, handler) => setHandler(method, withPublicErrors(parts, method, handler));
  setToolHandlers(set, server, parts, moduleHandlers);
  setResourceHandlers(set, parts, moduleHandlers);
  setPromptHandlers(set, parts, moduleHandlers);
  const subscribed = setSubscriptionHandlers(set, parts, moduleHandlers);
  refuseWrongParameters(server);
  const release = era === "request" ? () => {} : forwardChanges(server, parts, subscribed);
  return { server, release };
}

/** Sends the user's change events to the client, within its scopes and subscriptions. Returns a function that stops. */
function forwardChanges(
  { server }: McpServer,
  { era, events, toolkit }: ServerParts,
  subscribed: ReadonlySet<string>,
): () => void {
  const tell = server.sendResourceUpdated.bind(server);
  const { userKey, scopes, threadId } = toolkit.context;
  const listen = ({ uri, ended }: OwnerEvent) => {
    if (!mayRead(uri, scopes)) return;
    if (era === "modern" || subscribed.has(uri)) void tell({ uri }).catch(() => {});
    if (era === "legacy" && ended?.threadId === threadId)
      void server.sendLoggingMessage(logLineOf(ended), server.transport?.sessionId).catch(() => {});
  };
  return events.subscribe(userKey, listen, () => subscribed);
}

/** The log message for the thread that scheduled a job when its run has ended: ids only. */
const logLineOf = ({ runId, jobId, status }: Omit<RunEnded, "userKey">) => ({
  level: status === "succeeded" ? ("info" as const) : ("warning" as const),
  logger: "nightshift",
  data: { message: `A run of ${jobId}: ${status}`, run_id: runId, job_id: jobId, status },
});
