import { describe, expect, it, onTestFinished } from "vitest";
import type { App } from "../../src/app.ts";
import { localPrincipal, openContext } from "../../src/connection/connection.ts";
import { buildToolkit } from "../../src/tools/toolkit.ts";
import { eventually } from "../harness.ts";
import { openProgram } from "../program.ts";

const openFor = (app: App, signal: AbortSignal) =>
  openContext(app.connectionDeps, { principal: localPrincipal("alice"), entityType: "human", signal });

describe("a context", () => {
  it("is disposed when its caller is gone, although nobody disposes it", async () => {
    const { app } = await openProgram();
    const { open } = app.connectionDeps;
    const caller = new AbortController();
    const opened = openFor(app, caller.signal);
    expect(open.size).toBe(1);
    caller.abort();
    expect(opened.context.signal.reason).toMatchObject({ code: "CONTEXT_CLOSED" });
    await eventually(async () => open.size === 0);
    const late = openFor(app, caller.signal);
    expect(late.context.signal.aborted).toBe(true);
    await eventually(async () => open.size === 0);
  });

  it("has one store of each kind, however often it is asked for", async () => {
    const { app } = await openProgram();
    const { services, dispose } = openFor(app, new AbortController().signal);
    for (const name of ["facts", "jobs", "runs", "inbox", "runControl", "deliveries"] as const)
      expect(services[name], name).toBe(services[name]);
    await dispose();
  });
});

it("run_job and get_job look at a run without its transcript, which run_job reads once", async () => {
  const { app } = await openProgram({ scheduler: true });
  const { context, services, dispose } = openFor(app, new AbortController().signal);
  onTestFinished(dispose);
  let transcripts = 0;
  const { runs } = services;
  if (!runs) throw new Error("this context has no runs");
  const counted: typeof runs = {
    list: (options) => runs.list(options),
    get(runId) {
      transcripts += 1;
      return runs.get(runId);
    },
  };
  const log = { error: () => {} };
  const { jobs, runControl, inbox, scheduler, now } = services;
  const parts = { jobs, runControl, inbox, scheduler, now, runs: counted } as typeof services;
  const toolkit = buildToolkit(app.connectionDeps.catalog, context, parts, log);
  onTestFinished(() => toolkit.dispose());
  const ask = async (name: string, args: object) => (await toolkit.call(name, args)).structuredContent;
  const tool = { name: "current_time", arguments: {} };
  const { job_id } = (await ask("schedule_task", { tool, every_seconds: 3_600 })) as { job_id: string };
  const ran = await ask("run_job", { job_id, wait: true });
  expect(ran).toMatchObject({ status: "succeeded" });
  expect(transcripts).toBe(1);
  expect(await ask("get_job", { job_id })).toMatchObject({ last_run: { run_id: ran?.run_id } });
  expect(transcripts).toBe(1);
});
