import { type App, createApp } from "../app.ts";
import { type Config, TOOLSETS } from "../config.ts";
import type { OpenContext } from "../connection/connection.ts";
import { NightshiftError } from "../errors.ts";
import { createLog } from "../log.ts";
import { textOf } from "../tools/result.ts";

/** Builds the program for one command and closes it afterwards. Logs warnings and worse unless a level was set. */
export async function withApp<T>(config: Config, work: (app: App) => Promise<T>): Promise<T> {
  const level = config.logLevel === "info" ? "warn" : config.logLevel;
  // The commands use all the tools, whatever clients are offered.
  const app = await createApp({ config: { ...config, toolsets: [...TOOLSETS] }, log: createLog(level) });
  try {
    return await work(app);
  } finally {
    await app.close();
  }
}

/** Runs `work` in a context of the configured user, so that a command calls the same tools as an MCP client. */
export const asUser = <T>(config: Config, work: (context: OpenContext, app: App) => Promise<T>): Promise<T> =>
  withApp(config, (app) => work(app.openContext({ user: config.user }), app));

/** Calls a tool and returns its structured content. Rejects with TOOL_FAILED and the tool's own error text. */
export async function callUserTool<T>(
  context: OpenContext,
  tool: string,
  args: Record<string, unknown>,
): Promise<T> {
  const result = await context.toolkit.call(tool, args);
  if (!result.isError) return result.structuredContent as T;
  throw new NightshiftError("TOOL_FAILED", textOf(result));
}
