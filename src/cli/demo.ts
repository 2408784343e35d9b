import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf, NightshiftError } from "../errors.ts";
import { isEnded } from "../jobs/run.ts";
import { startScriptedModel } from "../model/scripted.ts";
import { RECALL_SKIPPED, SAVE_SKIPPED } from "../tools/facts.ts";
import { textOf } from "../tools/result.ts";
import { DEMO_FACT, DEMO_PROMPT, type DemoProgress, demoScript, openProgress } from "./demo-script.ts";
import { paint, print, printJson } from "./output.ts";
import type { ShownRun } from "./runs.ts";

const RUN_DEADLINE_MS = 14_000;

interface DemoClient {
  /** Calls a tool and returns its text and its structured content. Rejects with the tool's own error text. */
  call<T>(name: string, args?: Record<string, unknown>): Promise<{ text: string; value: T }>;
  readonly stderr: () => string;
  close(): Promise<void>;
}

/**
 * Shows a fact, a schedule and a ghost on real parts: an MCP client and server over stdio, database files, a worker
 * thread, and a model provider over HTTP. Only the model's answers are scripted. Resolves to exit code 0 when every
 * check passed.
 */
export async function runDemo({ json }: { json: boolean }): Promise<number> {
  const startedAt = Date.now();
  const progress = openProgress(json);
  const dir = await mkdtemp(join(tmpdir(), "nightshift-demo-"));
  const model = await startScriptedModel({ script: demoScript });
  let client: DemoClient | undefined;
  try {
    if (!json) print(paint("bold", "Nightshift demo: a fact, a schedule, a ghost\n"));
    progress.step("started a model server on loopback", `${model.baseUrl}  (scripted: it does not think)`);
    client = await connectClient(dir, model.baseUrl);
    const run = await runSteps(client, progress);
    const seconds = (Date.now() - startedAt) / 1000;
    if (json) printJson({ ok: true, seconds, model_requests: model.requests.length, run });
    else print(`\n${paint(["bold", "green"], "Every step was checked")}, in ${seconds.toFixed(1)} s.`);
    return 0;
  } catch (error) {
    const problem = messageOf(error);
    if (json) printJson({ ok: false, problem });
    else print(`\n${paint(["bold", "red"], "The demo failed:")} ${problem}\n${client?.stderr() ?? ""}`);
    return 1;
  } finally {
    await client?.close();
    await model.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Does the steps of the demo and checks each one before the next. */
async function runSteps(client: DemoClient, progress: DemoProgress): Promise<ShownRun> {
  const { value: me } = await client.call<{ user_id: string; entity_type: string; registry_id: string }>(
    "whoami",
  );
  expect(me.entity_type === "human", `the client should be a human, not ${me.entity_type}`);
  progress.step(
    `a real MCP client connected over stdio as ${me.user_id} (${me.entity_type})`,
    me.registry_id,
  );
  await client.call("save_fact", { fact: DEMO_FACT });
  progress.step("saved a fact", DEMO_FACT);
  const { value: found } = await client.call<{ facts: { fact: string }[] }>("recall_facts", {
    query: "What may she not eat?  allergy",
  });
  expect(found.facts[0]?.fact === DEMO_FACT, "the fact should be recalled");
  progress.step("recalled it by a question", `"What may she not eat? allergy" → ${found.facts[0]?.fact}`);
  const memoryBefore = (await client.call("list_facts")).text;

  const at = new Date(Date.now() + 1_000).toISOString();
  const { value: job } = await client.call<{ job_id: string; ghost_session_id: string; next_runs: string[] }>(
    "schedule_task",
    {
      prompt: DEMO_PROMPT,
      execute_at: at,
      name: "Good morning",
    },
  );
  progress.step(`scheduled a prompt for ${job.next_runs[0]}`, DEMO_PROMPT);
  const run = await waitForRun(client, progress, job.job_id);
  expect(run.status === "succeeded", `the run ended as ${run.status}: ${run.failure?.message ?? ""}`);
  progress.step(
    `${job.ghost_session_id} ran in a worker thread of its own, ${run.late_by_seconds} s after its time`,
  );
  for (const step of run.transcript)
    if (step.type === "tool") progress.step(`the ghost called ${step.tool}`, step.result);
  progress.step("the ghost answered", run.output ?? "");

  const resultOf = (tool: string) => run.transcript.find((step) => step.tool === tool);
  expect(resultOf("recall_facts")?.result === RECALL_SKIPPED, "recall_facts should have been skipped");
  expect(resultOf("save_fact")?.result === SAVE_SKIPPED, "save_fact should have been skipped");
  expect(resultOf("current_time")?.is_error !== true, "current_time should have answered");
  const audit = await waitForAudit(client, job.job_id);
  expect(audit !== undefined, "the audit line should be in the server's log");
  progress.step("its audit line is in the log", `${audit.slice(0, 220)}…`);
  const memoryAfter = (await client.call("list_facts")).text;
  expect(memoryAfter === memoryBefore, "the user's memory should not have changed");
  progress.step("the user's memory is byte for byte what it was");
  return run;
}

/** Waits for the run's audit line, which the server writes after the run's row is committed. */
async function waitForAudit(client: DemoClient, jobId: string): Promise<string | undefined> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const lines = client.stderr().split("\n");
    const audit = lines.find(
      (line) => line.includes(`"job_id":"${jobId}"`) && line.includes('"is_automated":true'),
    );
    if (audit || Date.now() > deadline) return audit;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function waitForRun(client: DemoClient, progress: DemoProgress, jobId: string): Promise<ShownRun> {
  const startedAt = Date.now();
  const done = progress.spin(
    () => `waiting for the ghost … ${((Date.now() - startedAt) / 1000).toFixed(1)} s`,
  );
  try {
    while (Date.now() - startedAt < RUN_DEADLINE_MS) {
      const { value } = await client.call<{ runs: ShownRun[] }>("list_runs", { job_id: jobId });
      const [run] = value.runs;
      if (run && isEnded(run.status))
        return (await client.call<ShownRun>("get_run", { run_id: run.run_id })).value;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    done();
  }
  throw new NightshiftError("GHOST_TIMED_OUT", "the ghost did not run in time");
}

/** Starts this program as a stdio server and connects the MCP SDK's client to it. */
async function connectClient(data: string, modelBaseUrl: string): Promise<DemoClient> {
  const { Client: McpClient } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [process.argv[1] ?? "", "stdio", "--data", data, "--user", "alice"],
    env: {
      PATH: process.env.PATH ?? "",
      NIGHTSHIFT_MODEL: "openai-compatible:scripted",
      NIGHTSHIFT_MODEL_BASE_URL: modelBaseUrl,
    },
    stderr: "pipe",
  });
  let stderr = "";
  transport.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const client = new McpClient(
    { name: "nightshift-demo", version: "1" },
    { versionNegotiation: { mode: "auto" } },
  );
  await client.connect(transport);
  return {
    stderr: () => stderr,
    close: () => client.close(),
    async call<T>(name: string, args: Record<string, unknown> = {}) {
      const result = await client.callTool({ name, arguments: args });
      const text = textOf(result as never);
      if (result.isError) throw new NightshiftError("TOOL_FAILED", `${name}: ${text}`);
      return { text, value: result.structuredContent as T };
    },
  };
}

function expect(isTrue: boolean, problem: string): asserts isTrue {
  if (!isTrue) throw new NightshiftError("INTERNAL", problem);
}
