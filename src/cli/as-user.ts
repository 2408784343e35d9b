import { type App, createApp } from "../app.ts";
import type { Config } from "../config.ts";
import type { OpenContext } from "../connection/connection.ts";
import { NightshiftError } from "../errors.ts";
import { createLog } from "../log.ts";
import { textOf } from "../tools/result.ts";

/** The command line is one more connection of its user: it calls the same tools, with the same walls. */
export async function asUser<T>(
  config: Config,
  work: (context: OpenContext, app: App) => Promise<T>,
): Promise<T> {
  const app = await createApp({
    config,
    log: createLog(config.logLevel === "info" ? "warn" : config.logLevel),
  });
  try {
    return await work(app.openContext({ user: config.user }), app);
  } finally {
    await app.close();
  }
}

/** Calls a tool and hands its structured answer over; its error becomes an exception with the tool's sentence. */
export async function ask<T>(context: OpenContext, tool: string, args: Record<string, unknown>): Promise<T> {
  const result = await context.toolkit.call(tool, args);
  if (!result.isError) return result.structuredContent as T;
  throw new NightshiftError("TOOL_FAILED", textOf(result));
}
