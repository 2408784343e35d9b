import type { Config } from "../config.ts";
import { mayName, type Scope } from "../context/scopes.ts";
import { NightshiftError } from "../errors.ts";
import { type Action, missingTool } from "../jobs/job.ts";
import { ghostTools } from "../tools/builtin-ghost.ts";
import type { LoadedModules } from "../tools/modules.ts";
import type { SchedulerApi } from "../tools/services.ts";
import { serverOf, upstreamName } from "../tools/upstream.ts";
import { allowedTools, grantsOf, selectionOf } from "./allowed-tools.ts";

const NO_MODEL =
  "No model is configured, so a ghost could not think. Set NIGHTSHIFT_MODEL (anthropic:<id>, openai:<id> or openai-compatible:<id>) and NIGHTSHIFT_MODEL_API_KEY or NIGHTSHIFT_MODEL_BASE_URL, and start again; `nightshift doctor` finds a local model. A job with a tool instead of a prompt needs no model.";
const NO_FOLDER = "Code jobs run where their folder is: start with --jobs <folder>.";

const scopeMissing = (server: string) =>
  new NightshiftError(
    "TOOL_DENIED",
    `The credential of this connection lacks the scope upstream:${server}, so it may not give a job the tools of ${server}.`,
  );

const noTool = (name: string): string =>
  `It names the tool "${name}", which this server has not: it runs where --tools or --mcp-config has it. Start with it, or change the job.`;

/** The names of the other MCP servers of this process, and a check of names of their tools. */
interface UpstreamCheck {
  readonly servers: readonly string[];
  check(names: readonly string[], userKey: string): Promise<readonly string[]>;
}

interface GhostAbilities
  extends Pick<
    SchedulerApi,
    "obstacle" | "waitsFor" | "ghostTools" | "toolsOf" | "isUpstream" | "maxTimeoutSeconds"
  > {
  /** True for a tool that a ghost can have in this process, and for what may be one of a server of `--mcp-config`. */
  offers(tool: string): boolean;
  /** See SchedulerApi, which is one user's. */
  checkUpstreams(names: readonly string[], userKey: string): Promise<readonly string[]>;
  /** See SchedulerApi, which is one credential's. */
  assertMayName(tools: readonly string[], scopes: readonly Scope[]): void;
}

/** The abilities of ghosts in this process, for the tools that make jobs. Starts nothing. */
export function describeGhosts(
  config: Pick<Config, "model" | "jobsDir" | "maxTimeoutSeconds">,
  modules: Pick<LoadedModules, "tools">,
  upstreams?: UpstreamCheck,
): GhostAbilities {
  const isUpstream = (name: string) => upstreams?.servers.includes(serverOf(name) ?? "") ?? false;
  const names = new Set([...ghostTools, ...modules.tools].map(({ name }) => name));
  const offers = (tool: string) => names.has(tool) || isUpstream(tool);
  const obstacle = (kind: Action["kind"]) => {
    if (kind === "prompt" && !config.model) return NO_MODEL;
    if (kind === "code" && !config.jobsDir) return NO_FOLDER;
    return undefined;
  };
  return {
    isUpstream,
    offers,
    maxTimeoutSeconds: config.maxTimeoutSeconds,
    checkUpstreams: async (names, userKey) => (await upstreams?.check(names, userKey)) ?? [],
    assertMayName(tools, scopes) {
      const denied = tools.find((tool) => isUpstream(tool) && !mayName(serverOf(tool) ?? "", scopes));
      if (denied) throw scopeMissing(serverOf(denied) ?? "");
    },
    obstacle,
    waitsFor(job) {
      const missing = missingTool(job, offers);
      return obstacle(job.action.kind) ?? (missing && noTool(missing));
    },
    ghostTools: () => [...names, ...(upstreams?.servers ?? []).map((server) => upstreamName(server, "*"))],
    toolsOf: (job) => [
      ...allowedTools(selectionOf(job), ghostTools, modules.tools),
      ...grantsOf(selectionOf(job)).filter(isUpstream),
    ],
  };
}
