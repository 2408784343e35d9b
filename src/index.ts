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

/**
 * The settings of `nightshift --help`, in camelCase. A setting that is left out comes from its environment variable,
 * else it has its default.
 */
export interface NightshiftOptions extends Partial<ConfigInput> {
  /** Run due jobs in this process. Default true; set it to false where another process runs the jobs of this data. */
  readonly scheduler?: boolean;
}

/** Nightshift inside another program, made by `createNightshift`. */
export interface Nightshift {
  /**
   * Opens the tools of one user, isolated from every other context. The host program vouches for `user`: take the name
   * from a verified session, never from the content of a request. `entityType` defaults to `human`. Dispose the toolkit
   * when the request or session ends: that aborts its calls. Rejects with TypeError for an empty name.
   */
  openContext(caller: { user: string; entityType?: "human" | "api" }): Promise<Toolkit>;
  /** Stops the scheduler, ends running ghosts, disposes open toolkits and closes the stores. May be called twice. */
  close(): Promise<void>;
}

/**
 * Starts Nightshift in this process, without MCP around it.
 *
 * Rejects with a NightshiftError: CONFIG_INVALID for a setting or jobs folder that cannot be used, TOOL_MODULE_INVALID
 * for a module of `tools`, DATA_UNAVAILABLE when the data folder or database cannot be opened.
 *
 * @example
 * const night = await createNightshift({ dataDir: "./data" });
 * const toolkit = await night.openContext({ user: "alice" });
 * await toolkit.call("schedule_task", { prompt: "Look for news.", cron: "0 7 * * *", timezone: "Europe/Berlin" });
 * await toolkit.dispose();
 * await night.close();
 */
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
