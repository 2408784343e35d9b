import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { KeyvSqlite } from "@keyv/sqlite";
import { pino } from "pino";
import { type App, createApp } from "../../src/app.ts";
import { readConfig } from "../../src/config.ts";
import { localPrincipal, type OpenContext } from "../../src/connection/connection.ts";
import { userKeyOf } from "../../src/context/user-context.ts";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import { newRunRow } from "../../src/database/run-row.ts";
import { MAX_RUN_OUTPUT_CHARS } from "../../src/ghost/protocol/messages.ts";
import { MAX_PINNED_BYTES, NO_PROVISION } from "../../src/jobs/job.ts";
import { newJob as newStoredJob, toJobRow } from "../../src/store/job-rows.ts";
import { newJob } from "../world.ts";

const USER = "alice";
const FACTS = 10_000;
const FACT_BYTES = 800;
const VOCABULARY = 40_000;
const JOBS = 1_000;
const RUNS = 100_000;
const INBOX = 1_000;
/** Runs with as long an output and transcript as there may be. */
const LONG_RUNS = 110;
const ROUNDS = 5;
const NOW = Date.now();
const MOST_MS = 50;

interface Turn {
  readonly tool: string;
  readonly firstMs: number;
  readonly laterMs: number;
  readonly atMost: number;
}

/**
 * The longest turn of the event loop in a call of each tool, by the CPU time of the main thread, for a user at all
 * default quotas, with the longest texts that there may be: of the first call, and the longest of later ones. The
 * yardstick is `atMost`, and beside it the turn in which JSON of a megabyte is read and written.
 */
export async function benchTurns(): Promise<Turn[]> {
  const data = await mkdtemp(join(tmpdir(), "nightshift-bench-turns-"));
  const config = readConfig(
    { dataDir: data, user: USER, model: "openai-compatible:none", modelBaseUrl: "http://127.0.0.1:9" },
    {},
  );
  const log = pino({ level: "silent" });
  try {
    const first = await createApp({ config, log });
    await first.openContext({ user: USER }).toolkit.call("save_fact", { fact: "The first." });
    await first.close();
    await fillFacts(join(data, "facts.sqlite"));
    await fillJobs(join(data, "jobs.sqlite"));
    const app = await createApp({ config, log });
    try {
      return await measureTools(app);
    } finally {
      await app.close();
    }
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

async function measureTools(app: App): Promise<Turn[]> {
  const context = app.openContext({ user: USER });
  const turns: Turn[] = [yardstick()];
  // Opens the stores and loads their code, but not this user's data.
  await app.openContext({ user: "other" }).toolkit.call("list_facts", {});
  await app.openContext({ user: "other" }).toolkit.call("list_jobs", {});
  for (const [name, argumentsOf] of CALLS) {
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const [tool = ""] = name.split(",");
      times.push(await longestTurn(context, tool, argumentsOf(round)));
    }
    const [firstMs = 0, ...later] = times.map((time) => Number(time.toFixed(1)));
    turns.push({ tool: name, firstMs, laterMs: Math.max(...later), atMost: MOST_MS });
  }
  return turns;
}

function yardstick(): Turn {
  const json = JSON.stringify(Array.from({ length: 10_000 }, (_, i) => ({ i, text: "x".repeat(80) })));
  const times = Array.from({ length: ROUNDS }, () => {
    const before = process.threadCpuUsage();
    JSON.stringify(JSON.parse(json));
    return msSince(before);
  });
  const [firstMs = 0, ...later] = times.map((time) => Number(time.toFixed(1)));
  return { tool: "yardstick: 1 MB of JSON", firstMs, laterMs: Math.max(...later), atMost: MOST_MS };
}

function msSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

const jobOf = (i: number): string => `job_${i.toString(16).padStart(35, "0")}`;
const wordsOf = (from: number, count: number): string =>
  Array.from({ length: count }, (_, i) => wordAt(from * 977 + i * 131)).join(" ");
const LETTERS = "ghijklmnop";
/** Of letters alone: a word with a digit is a code, which is indexed in another way. */
const wordAt = (i: number): string =>
  `w${(i % VOCABULARY).toString(16).replace(/\d/g, (digit) => LETTERS[Number(digit)] ?? "")}x`;
const unknownWords = (round: number): string =>
  Array.from({ length: 40 }, (_, i) => `u${(round * 1_000 + i * 37).toString(36)}q`).join(" ");
const at = (minutes: number): string => new Date(NOW + minutes * 60_000).toISOString();
const PROMPT = "p".repeat(30_000);

const CALLS: readonly (readonly [name: string, argumentsOf: (round: number) => object])[] = [
  ["whoami", () => ({})],
  ["current_time", () => ({})],
  ["recall_facts, 40 known words", (round) => ({ query: wordsOf(round, 40), limit: 50 })],
  ["recall_facts, 40 unknown words", (round) => ({ query: unknownWords(round), limit: 50 })],
  ["list_facts", () => ({ limit: 100 })],
  ["save_fact", (round) => ({ fact: `${wordsOf(round * 7, 120)} ${round}` })],
  ["forget_fact", (round) => ({ fact_id: factOf(round) })],
  ["schedule_task", (round) => ({ prompt: PROMPT, execute_at: at(60 + round) })],
  ["preview_schedule", (round) => ({ cron: `${round} 0 29 2 *`, count: 50, timezone: "America/New_York" })],
  ["list_jobs", () => ({ limit: 100 })],
  ["get_job", (round) => ({ job_id: jobOf(round) })],
  ["update_job", (round) => ({ job_id: jobOf(round), prompt: PROMPT })],
  ["pause_job", (round) => ({ job_id: jobOf(round) })],
  ["resume_job", (round) => ({ job_id: jobOf(round) })],
  ["run_job", (round) => ({ job_id: jobOf(round) })],
  ["backfill", (round) => ({ job_id: jobOf(round), from: at(-120), to: at(-30) })],
  ["list_runs", () => ({ limit: 100 })],
  ["list_runs, of one job", (round) => ({ job_id: jobOf(round), limit: 100 })],
  ["get_run", (round) => ({ run_id: runOf(RUNS - 1 - round) })],
  ["cancel_run", (round) => ({ run_id: runOf(RUNS - 1 - round) })],
  ["inbox", () => ({})],
  ["cancel_job", (round) => ({ job_id: jobOf(round) })],
];

/** Calls the tool and writes its answer. Resolves to the ms of CPU time of the longest turn until then. */
async function longestTurn({ toolkit }: OpenContext, name: string, args: object): Promise<number> {
  await setImmediate();
  let isOver = false;
  const call = toolkit.call(name, args).then((result) => {
    const text = JSON.stringify(result);
    isOver = true;
    const told = result.isError && !/NOT_FOUND|JOB_STATE|RUN_STATE/.test(text);
    if (told) throw new Error(`${name}: ${text.slice(0, 500)}`);
  });
  let longest = 0;
  let before = process.threadCpuUsage();
  while (!isOver) {
    await Promise.race([call, setImmediate()]);
    longest = Math.max(longest, msSince(before));
    before = process.threadCpuUsage();
  }
  await call;
  return longest;
}

const factOf = (i: number): string => `fact_${i.toString(16).padStart(24, "0")}`;

/** Facts with as many bytes as a user may keep, written as Keyv writes them. */
async function fillFacts(file: string): Promise<void> {
  const adapter = new KeyvSqlite({ uri: `sqlite://${file}` });
  const userKey = userKeyOf(localPrincipal(USER));
  const rows = Array.from({ length: FACTS - 20 }, (_, i) => {
    let text = "";
    for (let word = 0; text.length < FACT_BYTES - 20; word++)
      text += `${wordAt(Math.floor(VOCABULARY * Math.abs(Math.sin(i * 131 + word * 7919)) ** 3))} `;
    const value = { factId: factOf(i), text: `${text}${i}`, tags: [], createdAt: NOW, position: i + 2 };
    return [`${userKey}:${factOf(i)}`, JSON.stringify({ value })];
  });
  await adapter.query(
    "INSERT INTO keyv SELECT value ->> 0, value ->> 1 FROM json_each(?)",
    JSON.stringify(rows),
  );
  await adapter.close();
}

const runOf = (i: number): string => `run_${i.toString(16).padStart(35, "0")}`;

/** Jobs, ended runs with outputs and transcripts, and an inbox, as many as a user may keep. */
async function fillJobs(file: string): Promise<void> {
  const db = await openDatabase({ file, now: () => NOW });
  const owner = { userKey: userKeyOf(localPrincipal(USER)), userId: USER };
  const schedule = { kind: "every", everySeconds: 3_600, anchor: NOW - 86_400_000 } as const;
  const action = { kind: "prompt", prompt: PROMPT } as const;
  const provision = {
    ...NO_PROVISION,
    pinnedFacts: [{ factId: factOf(0), text: "f".repeat(MAX_PINNED_BYTES) }],
    check: { kind: "tool", tool: "current_time", arguments: { text: PROMPT } },
  } as const;
  const job = newStoredJob(newJob({ action, schedule, provision, nextRunAt: NOW + 3_600_000 }), owner, NOW);
  const steps = JSON.stringify(
    Array.from({ length: 1_000 }, (_, i) => ({
      step: i,
      type: "tool",
      tool: "current_time",
      result: "r".repeat(950),
    })),
  );
  await db.transact(
    async (trx) => {
      // Twenty fewer than may be active, for the jobs that are measured.
      for (let i = 0; i < JOBS - 20; i++)
        await trx
          .insertInto("jobs")
          .values(toJobRow({ ...job, jobId: jobOf(i) }, null))
          .execute();
      for (let i = 0; i < RUNS; i++) {
        const row = {
          ...newRunRow(
            { ...job, jobId: jobOf(i % (JOBS - 20)) },
            { trigger: "manual", scheduledFor: NOW - RUNS + i },
            NOW,
          ),
          run_id: runOf(i),
          status: "succeeded" as const,
          due_at: null,
          started_at: NOW,
          finished_at: NOW,
          prompt: PROMPT.slice(0, i < RUNS - LONG_RUNS ? 100 : undefined),
          output: "o".repeat(i < RUNS - LONG_RUNS ? 100 : MAX_RUN_OUTPUT_CHARS),
        };
        await trx.insertInto("runs").values(row).execute();
        if (i >= RUNS - LONG_RUNS)
          await trx
            .insertInto("transcripts")
            .values({ run_id: runOf(i), steps })
            .execute();
        if (i < RUNS - INBOX) continue;
        const item = {
          item_id: `item_${i.toString(16).padStart(35, "0")}`,
          user_key: owner.userKey,
          kind: "result" as const,
          run_id: runOf(i),
          job_id: row.job_id,
          status: "succeeded" as const,
          note: null,
          created_at: NOW,
          read_at: null,
        };
        await trx.insertInto("inbox").values(item).execute();
      }
    },
    { of: null },
  );
  await db.close();
}

if (import.meta.main) console.table(await benchTurns());
