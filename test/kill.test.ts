import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { startScriptedModel } from "../src/model/scripted.ts";
import { cli, type StdioServer, startServer } from "./child-process.ts";
import { eventually, tempDir } from "./harness.ts";
import { random } from "./random.ts";

const ROUNDS = 10;
/** Servers that run at the same time, each on data of its own. */
const CHAINS = 3;
/** The longest life of a server before it is killed; its scheduler starts after 200 ms. */
const LIFE_MS = 1_200;
const REAP_MS = 20_000;

// biome-ignore-start lint/suspicious/noExplicitAny: whatever came over the wire
type Shown = Record<string, any>;
// biome-ignore-end lint/suspicious/noExplicitAny: whatever came over the wire

/** Ids and texts that a server has acknowledged: none of them may ever be missing. */
interface Acknowledged {
  readonly facts: Set<string>;
  readonly jobs: Set<string>;
  /** The jobs among them that are due once. */
  readonly once: Set<string>;
  readonly runs: Set<string>;
}

async function all(server: StdioServer, tool: string, key: string, args: object = {}): Promise<Shown[]> {
  const found: Shown[] = [];
  let cursor: string | undefined;
  do {
    const page = await server.call(tool, { limit: 100, ...args, ...(cursor && { cursor }) });
    found.push(...page[key]);
    cursor = page.next_cursor;
  } while (cursor);
  return found;
}

/** Sends a handful of calls without waiting, and notes each answer as it comes. */
function load(server: StdioServer, known: Acknowledged, next: () => number, round: number): void {
  const note = (call: Promise<Shown>, take: (answer: Shown) => void) => void call.then(take, () => {});
  const soon = () => new Date(Date.now() + 20 + next() * 700).toISOString();
  const tool = { name: "current_time", arguments: {} };
  for (let i = 0; i < 4; i++) {
    const fact = `Fact ${i} of round ${round}.`;
    note(server.call("save_fact", { fact }), () => known.facts.add(fact));
    const action = i % 2 === 0 ? { tool } : { prompt: "Say done." };
    note(server.call("schedule_task", { ...action, execute_at: soon() }), ({ job_id }) => {
      known.jobs.add(job_id);
      known.once.add(job_id);
      note(server.call("run_job", { job_id }), ({ run_id }) => known.runs.add(run_id));
    });
  }
  if (round % 4 === 0)
    note(server.call("schedule_task", { tool, every_seconds: 1 }), ({ job_id }) => known.jobs.add(job_id));
}

/** After a start: all that was acknowledged is there, and what was running in a dead process is not running. */
async function verify(
  server: StdioServer,
  known: Acknowledged,
  startedAt: number,
  hint: string,
): Promise<void> {
  // Read before the question: what is acknowledged while it is being answered need not be in the answer.
  const before = { facts: [...known.facts], jobs: [...known.jobs] };
  const facts = (await all(server, "list_facts", "facts")).map(({ fact }) => fact);
  expect(
    before.facts.filter((fact) => !facts.includes(fact)),
    `${hint}: facts`,
  ).toEqual([]);
  const jobs = new Map((await all(server, "list_jobs", "jobs")).map((job) => [job.job_id, job]));
  expect(
    before.jobs.filter((id) => !jobs.has(id)),
    `${hint}: jobs`,
  ).toEqual([]);
  for (const id of before.jobs) expect(jobs.get(id)?.status, hint).toMatch(/^(?:active|completed)$/);
  await eventually(async () => {
    const running = await all(server, "list_runs", "runs", { status: "running" });
    return running.every(({ started_at }) => Date.parse(started_at) >= startedAt);
  }, REAP_MS);
}

/** Each occurrence has one row, and each job that was due once has run, or says that it was lost. */
async function verifyRuns(server: StdioServer, known: Acknowledged, hint: string): Promise<Shown[]> {
  for (const { job_id } of await all(server, "list_jobs", "jobs", { status: "active" }))
    if (!known.once.has(job_id)) await server.call("pause_job", { job_id });
  const runs = await eventually(async () => {
    const found = await all(server, "list_runs", "runs");
    return found.every(({ finished_at }) => finished_at) && found;
  }, 60_000);
  const scheduled = runs.filter(({ trigger }) => trigger === "schedule");
  const occurrences = scheduled.map(({ job_id, scheduled_for }) => `${job_id} ${scheduled_for}`);
  expect(new Set(occurrences).size, hint).toBe(occurrences.length);
  for (const id of known.once)
    expect(
      scheduled.filter(({ job_id }) => job_id === id),
      `${hint}: ${id}`,
    ).toHaveLength(1);
  const ids = new Set(runs.map(({ run_id }) => run_id));
  expect(
    [...known.runs].filter((id) => !ids.has(id)),
    `${hint}: queued runs`,
  ).toEqual([]);
  for (const { status } of runs) expect(status).toMatch(/^(?:succeeded|lost|skipped)$/);
  return runs;
}

async function chain(seed: number): Promise<Shown[]> {
  const next = random(seed);
  const data = await tempDir();
  const model = await startScriptedModel({
    script: () => ({ text: "Done.", delayMs: Math.floor(next() * 300) }),
  });
  onTestFinished(() => model.close());
  const env = { NIGHTSHIFT_MODEL: "openai-compatible:scripted", NIGHTSHIFT_MODEL_BASE_URL: model.baseUrl };
  const args = ["--data", data, "--user", "alice"];
  const known: Acknowledged = { facts: new Set(), jobs: new Set(), once: new Set(), runs: new Set() };
  for (let round = 0; round < ROUNDS; round++) {
    const hint = `seed ${seed}, round ${round}`;
    const startedAt = Date.now();
    const server = await startServer(args, { env });
    load(server, known, next, round);
    if (round % 3 === 2) await verify(server, known, startedAt, hint);
    // On a busy machine no server may live long enough to acknowledge anything: the first one does.
    if (round === 0) await eventually(async () => known.facts.size > 0 && known.jobs.size > 0, REAP_MS);
    await wait(next() * LIFE_MS);
    server.kill("SIGKILL");
    expect((await server.exited).signal, hint).toBe("SIGKILL");
  }
  const hint = `seed ${seed}, at the end`;
  const startedAt = Date.now();
  const server = await startServer(args, { env });
  await verify(server, known, startedAt, hint);
  const runs = await verifyRuns(server, known, hint);
  expect(known.facts.size, hint).toBeGreaterThan(0);
  expect(known.jobs.size, hint).toBeGreaterThan(0);
  // The server works as if nothing had happened.
  const [job_id = ""] = known.once;
  const { run_id } = await server.call("run_job", { job_id });
  await eventually(async () => (await server.call("get_run", { run_id })).status === "succeeded");
  server.end();
  expect((await server.exited).code).toBe(0);
  expect(JSON.parse((await cli(["doctor", "--data", data, "--json"], { env })).stdout)).toMatchObject({
    ok: true,
  });
  return runs;
}

describe(`a server that is killed ${ROUNDS * CHAINS} times, at any moment`, () => {
  it("loses nothing that it acknowledged, and leaves no run that lies", async () => {
    const seed = Date.now() & 0xffff;
    const runs = await Promise.all(Array.from({ length: CHAINS }, (_, i) => chain(seed + i)));
    const statuses = runs.flat().map(({ status }) => status);
    // Without kills that hit running runs, this test would show nothing.
    expect(statuses.filter((status) => status === "lost").length, `seed ${seed}`).toBeGreaterThan(0);
  });
});
