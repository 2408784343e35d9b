import { createApp } from "./app.ts";
import { type ConfigInput, readConfig } from "./config.ts";
import { createLog } from "./log.ts";
import type { Toolkit } from "./tools/toolkit.ts";

export {
  getEntityMetadata,
  getEntityType,
  isHumanEntity,
  isSchedulerEntity,
} from "./context/current-context.ts";
export type { EntityMetadata, EntityType } from "./context/entity.ts";
export { ERROR_CODES, type ErrorCode, NightshiftError } from "./errors.ts";
export type { RunStatus, TranscriptStep } from "./jobs/run.ts";
export { defineJob, type Ghost, type JobFields, type JobSpec } from "./jobs-folder/define-job.ts";
export {
  defineTool,
  type ToolAnnotations,
  type ToolCall,
  type ToolContext,
  type ToolInstance,
  type ToolSpec,
} from "./tools/define.ts";
export type { ConnectionContext, Register } from "./tools/modules.ts";
export type { ToolResult } from "./tools/result.ts";
export type { CallOptions, Toolkit } from "./tools/toolkit.ts";

/** Settings as in `nightshift --help`, in camelCase; what is left out comes from the environment, then the default. */
export interface NightshiftOptions extends Partial<ConfigInput> {
  /** Run due jobs in this process. Default true; false where another process has the same data folder. */
  readonly scheduler?: boolean;
}

/** Nightshift inside a program of one's own. */
export interface Nightshift {
  /**
   * The tools of one user, isolated from every other context. Whoever calls this vouches for the name: take it from a
   * verified session, never from what a request says. Dispose it when the request or session ends.
   */
  openContext(caller: { user: string; entityType?: "human" | "api" }): Promise<Toolkit>;
  /** Stops the scheduler, ends running ghosts, closes the stores. */
  close(): Promise<void>;
}

/** Starts Nightshift. Rejects with CONFIG_INVALID, TOOL_MODULE_INVALID or DATA_UNAVAILABLE. */
export async function createNightshift(options: NightshiftOptions = {}): Promise<Nightshift> {
  const { scheduler = true, ...given } = options;
  const config = readConfig(given);
  const app = await createApp({ config, log: createLog(config.logLevel) });
  if (scheduler) await app.startScheduler();
  return {
    async openContext(caller) {
      const { toolkit, dispose } = app.openContext(caller);
      return { ...toolkit, dispose };
    },
    close: app.close,
  };
}
