import type { Config } from "../config.ts";
import type { Action } from "../jobs/job.ts";
import { ghostTools } from "../tools/for-ghosts.ts";
import type { LoadedModules } from "../tools/modules.ts";
import type { SchedulerFace } from "../tools/services.ts";
import { allowedTools } from "./allowance.ts";

const NO_MODEL =
  "No model is configured, so a ghost could not think. Set NIGHTSHIFT_MODEL (anthropic:<id>, openai:<id> or openai-compatible:<id>) and NIGHTSHIFT_MODEL_API_KEY or NIGHTSHIFT_MODEL_BASE_URL, and start again; `nightshift doctor` finds a local model. A job with a tool instead of a prompt needs no model.";
const NO_FOLDER = "Code jobs run where their folder is: start with --jobs <folder>.";

/** What ghosts can do in this process, for the tools that make jobs: known without starting anything. */
export function describeGhosts(
  config: Pick<Config, "model" | "jobsDir">,
  modules: Pick<LoadedModules, "tools">,
): Pick<SchedulerFace, "obstacle" | "ghostTools" | "toolsOf"> {
  return {
    obstacle(kind: Action["kind"]) {
      if (kind === "prompt" && !config.model) return NO_MODEL;
      if (kind === "code" && !config.jobsDir) return NO_FOLDER;
      return undefined;
    },
    ghostTools: () => [...ghostTools, ...modules.tools].map(({ name }) => name),
    toolsOf: (job) => allowedTools(job, ghostTools, modules.tools),
  };
}
