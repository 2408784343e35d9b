// Imported for its side effect, which opens stdin: the checks for leaks must not count that.
import "@modelcontextprotocol/server";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { type App, createApp } from "../src/app.ts";
import { type ConfigInput, readConfig } from "../src/config.ts";
import type { OpenContext } from "../src/connection/connection.ts";
import { type Script, startScriptedModel } from "../src/model/scripted.ts";
import { databaseUrlOf } from "./database-url.ts";
import { eventually, tempDir } from "./harness.ts";

export interface ProgramOptions extends Partial<ConfigInput> {
  /** Configures a scripted model that answers so. */
  readonly script?: Script;
  /** Starts the scheduler. Default false. */
  readonly scheduler?: boolean;
  readonly now?: () => number;
  /** Default: as an embedding program has it. */
  readonly lifetime?: "service";
}

export interface Program {
  readonly app: App;
  readonly dataDir: string;
  /** The log lines, parsed. */
  readonly lines: readonly Record<string, unknown>[];
  open(user?: string): OpenContext;
  close(): Promise<void>;
}

/** The whole program in this process, on a real database and a real model server; closed with the test. */
export async function openProgram(options: ProgramOptions = {}): Promise<Program> {
  const { script, scheduler = false, now, lifetime, ...given } = options;
  const dataDir = given.dataDir ?? (await tempDir());
  const scripted = script && (await startScriptedModel({ script }));
  if (scripted) onTestFinished(() => scripted.close());
  const model = scripted && { model: "openai-compatible:scripted", modelBaseUrl: scripted.baseUrl };
  const databaseUrl = await databaseUrlOf(dataDir);
  const config = readConfig({ dataDir, databaseUrl, user: "alice", spareThreads: 0, ...model, ...given }, {});
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: "debug", base: null }, { write: (line) => lines.push(JSON.parse(line)) });
  const app = await createApp({ config, log, ...(now && { now }), ...(lifetime && { lifetime }) });
  onTestFinished(() => app.close());
  if (scheduler) await app.startScheduler();
  return { app, dataDir, lines, open: (user = "alice") => app.openContext({ user }), close: app.close };
}

/** Calls a tool. Resolves to its structured content; rejects with the text of its error. */
// biome-ignore lint/suspicious/noExplicitAny: tests read what the output schemas promise, and fail where it is absent
export async function ask(context: OpenContext, name: string, args: object = {}): Promise<any> {
  const result = await context.toolkit.call(name, args);
  if (result.isError) throw new Error(`${name}: ${result.content[0]?.text}`);
  return result.structuredContent;
}

/** Waits until a run of the job has ended: the newest, or the one that is named. */
// biome-ignore lint/suspicious/noExplicitAny: as above
export function endedRun(context: OpenContext, jobId: string, runId?: string): Promise<any> {
  return eventually(async () => {
    const { runs } = await ask(context, "list_runs", { job_id: jobId });
    const ended = runs.find(
      (run: { run_id: string; status: string }) =>
        (runId ?? run.run_id) === run.run_id && !["queued", "running", "waiting"].includes(run.status),
    );
    return ended && (await ask(context, "get_run", { run_id: ended.run_id }));
  }, 20_000);
}
