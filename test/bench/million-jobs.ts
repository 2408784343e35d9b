import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { openDatabase } from "../../src/database/open-sqlite.ts";
import { newJob as newStoredJob, toJobRow } from "../../src/store/job-rows.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import { ALL_KINDS, newJob, START, worker } from "../world.ts";

const SMALL = 1_000;
export const LARGE = 1_000_000;
/** Jobs that are due within one second, in either file: enough for every round of every process. */
export const DUE = 1_000;
const CLAIM = 16;
const ROUNDS = 15;
const PROCESSES = 4;

/** The figures of one file: the median within a process, and the lowest of several processes. */
interface Measured {
  readonly residentMb: number;
  readonly nextDueAtMs: number;
  readonly claimMs: number;
  readonly changedElsewhereUs: number;
}

export interface MillionJobsResult {
  readonly small: Measured;
  readonly large: Measured;
  /** large / small. */
  readonly ratio: Measured;
  readonly storeLargeSeconds: number;
}

/** A million stored jobs against a thousand: what a wake of the scheduler costs in memory and time. */
export async function benchMillionJobs(): Promise<MillionJobsResult> {
  const dir = await mkdtemp(join(tmpdir(), "nightshift-bench-"));
  try {
    const small = join(dir, "small.sqlite");
    const large = join(dir, "large.sqlite");
    const users = { due: 1_000, all: 1_000 };
    await storeJobs(small, { count: SMALL, dueAt: START, users });
    const before = performance.now();
    await storeJobs(large, { count: LARGE, dueAt: START, users });
    const storeLargeSeconds = (performance.now() - before) / 1000;
    // Each in a process of its own, so that none profits from another's memory; alternately, and the best of
    // several, so that a busy moment of the machine doesn't fall on one file alone.
    const ones: Measured[] = [];
    const millions: Measured[] = [];
    for (let i = 0; i < PROCESSES; i++) {
      ones.push(await measureApart(small));
      millions.push(await measureApart(large));
    }
    const one = combine(ones, Math.min);
    const million = combine(millions, Math.min);
    const ratio = combine([million, one], (large, small = 1) => large / small);
    return { small: one, large: million, ratio, storeLargeSeconds };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Each figure of `all` put together by `how`. */
function combine(all: readonly Measured[], how: (first: number, ...others: number[]) => number): Measured {
  const of = (key: keyof Measured) => {
    const [first = Number.NaN, ...others] = all.map((measured) => measured[key]);
    return how(first, ...others);
  };
  return {
    residentMb: of("residentMb"),
    nextDueAtMs: of("nextDueAtMs"),
    claimMs: of("claimMs"),
    changedElsewhereUs: of("changedElsewhereUs"),
  };
}

async function measureApart(file: string): Promise<Measured> {
  const args = [import.meta.filename, "--measure", file];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Measured;
}

interface Stored {
  readonly count: number;
  /** The first DUE of them are due from here on, a millisecond apart, and the others over a year from the day after. */
  readonly dueAt: number;
  /** Users of the due jobs, and of all jobs. */
  readonly users: { readonly due: number; readonly all: number };
}

/** Writes many jobs with plain SQL: through the store it would take minutes. */
export async function storeJobs(file: string, { count, dueAt, users }: Stored): Promise<void> {
  await (await openDatabase({ file, now: () => dueAt })).close();
  const raw = new DatabaseSync(file);
  raw.exec("pragma synchronous = off; pragma cache_size = -400000; begin");
  const once = newJob({ schedule: { kind: "at", at: dueAt } });
  const sample = toJobRow(newStoredJob(once, { userKey: "", userId: "" }, dueAt), null);
  const columns = Object.keys(sample);
  const insert = raw.prepare(
    `insert into jobs (${columns.join()}) values (${columns.map((column) => `:${column}`).join()})`,
  );
  for (let i = 0; i < count; i++) {
    const user = i % (i < DUE ? users.due : users.all);
    insert.run({
      ...sample,
      job_id: `job_${i.toString(16).padStart(35, "0")}`,
      user_key: user.toString(16).padStart(64, "0"),
      user_id: `user ${user}`,
      next_run_at: i < DUE ? dueAt + i : dueAt + 86_400_000 + ((i * 7_919) % 31_536_000) * 1000,
    });
  }
  raw.exec("insert into turns select user_key, kind, min(next_run_at), 0 from jobs group by user_key, kind");
  raw.exec("commit; pragma wal_checkpoint(truncate)");
  raw.close();
}

async function measure(file: string): Promise<Measured> {
  const db = await openDatabase({ file, now: () => START });
  const runQueue = openRunQueue(db);
  const filter = { kinds: ALL_KINDS };
  const nextDueAtMs: number[] = [];
  const claimMs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    nextDueAtMs.push(await timed(() => runQueue.nextDueAt(filter)));
    const options = { now: START + 1000, limit: CLAIM, filter, worker: worker("bench"), leaseMs: 60_000 };
    claimMs.push(
      await timed(async () => {
        const claimed = await runQueue.claimDue(options);
        if (claimed.length !== CLAIM) throw new Error(`claimed ${claimed.length} of ${CLAIM}`);
      }),
    );
  }
  const before = performance.now();
  for (let i = 0; i < 10_000; i++) runQueue.changedElsewhere();
  const changedElsewhereUs = (performance.now() - before) / 10;
  const residentMb = process.memoryUsage.rss() / 2 ** 20;
  await db.close();
  return { residentMb, nextDueAtMs: median(nextDueAtMs), claimMs: median(claimMs), changedElsewhereUs };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const before = performance.now();
  await work();
  return performance.now() - before;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

function print({ small, large, ratio, storeLargeSeconds }: MillionJobsResult): void {
  const line = (label: string, key: keyof Measured, unit: string, digits: number) => {
    const shown = [small[key], large[key]].map((value) => `${value.toFixed(digits)} ${unit}`.padStart(12));
    console.log(`${label.padEnd(28)}${shown.join("")}${ratio[key].toFixed(2).padStart(8)} ×`);
  };
  console.log(`${"".padEnd(28)}${"1,000".padStart(12)}${"1,000,000".padStart(12)}   ratio`);
  line("resident memory", "residentMb", "MB", 1);
  line("nextDueAt, median", "nextDueAtMs", "ms", 3);
  line(`claimDue of ${CLAIM}, median`, "claimMs", "ms", 3);
  line("changedElsewhere, mean", "changedElsewhereUs", "µs", 2);
  console.log(`stored a million jobs in ${storeLargeSeconds.toFixed(1)} s`);
}

if (import.meta.main) {
  const file = process.argv[2] === "--measure" ? process.argv[3] : undefined;
  if (file === undefined) print(await benchMillionJobs());
  else console.log(JSON.stringify(await measure(file)));
}
