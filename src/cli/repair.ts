import { chmod, readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Config } from "../config.ts";
import type { RepairedProblem } from "../database/sqlite-doctor.ts";
import { messageOf } from "../errors.ts";
import { once } from "../lifecycle.ts";

/** A problem in the data, repaired or not. */
export interface Repair extends RepairedProblem {
  readonly check: string;
  /** The next step for the reader. */
  readonly advice?: string;
}

const BY_HAND = "It cannot be repaired safely. Keep a copy of the data folder, and restore a backup (….bak).";

/**
 * Repairs the data folder where nothing can be lost by it. Copies each file first (`….repair.bak`). Does nothing while
 * another process runs a job.
 */
export async function repairData({ dataDir }: Config): Promise<Repair[]> {
  const dir = resolve(dataDir);
  const jobs = join(dir, "jobs.sqlite");
  const facts = join(dir, "facts.sqlite");
  // A table of leases that cannot be read is damaged. The checks below report it.
  const holders = await findHolders(jobs).catch(() => []);
  if (holders.length > 0)
    return holders.map((holder) => ({
      check: "jobs.sqlite",
      found: `${holder} has a run at work`,
      repaired: false,
      advice: "Nothing was repaired. Stop it, and ask again.",
    }));
  return [
    ...(await attempt("data folder", dir, () => repairModes(dir))),
    ...(await attempt("facts.sqlite", facts, async () =>
      (await import("../facts/doctor.ts")).repairFacts(facts, `${facts}.repair.bak`),
    )),
    ...(await attempt("jobs.sqlite", jobs, () => repairJobs(jobs))),
  ];
}

/** Runs `repair` on a file that exists, and reports a write-ahead log that a dead process left behind. */
async function attempt(
  check: string,
  file: string,
  repair: () => Promise<readonly RepairedProblem[]>,
): Promise<Repair[]> {
  const sizeOf = async (path: string) => (await stat(path).catch(() => undefined))?.size ?? 0;
  if ((await sizeOf(file)) === 0) return [];
  const logBytes = await sizeOf(`${file}-wal`);
  try {
    const results = (await repair()).map((one) => ({
      check,
      ...one,
      ...(!one.repaired && { advice: BY_HAND }),
    }));
    // The last process to close a file empties its log. A log that is still there belongs to a process that runs.
    if (logBytes === 0 || (await sizeOf(`${file}-wal`)) > 0) return results;
    const found = `a dead process had left ${logBytes} bytes in the write-ahead log`;
    return [...results, { check, found, repaired: true }];
  } catch (error) {
    const found = messageOf(error);
    return [{ check, found, repaired: false, advice: BY_HAND }];
  }
}

/** Processes that hold an unexpired lease. One on another host counts as alive. */
async function findHolders(file: string): Promise<string[]> {
  const [{ readLeases }, { identifyProcess, isAlive }] = await Promise.all([
    import("../database/sqlite-doctor.ts"),
    import("../scheduler/this-process.ts"),
  ]);
  const here = identifyProcess({ isShared: false }).host;
  const live = (await readLeases(file)).filter(
    ({ host, pid, until }) => until >= Date.now() && (host !== here || isAlive(pid)),
  );
  return [...new Set(live.map(({ host, pid }) => `process ${pid} on ${host.split(" ")[0]}`))];
}

async function repairModes(dir: string): Promise<RepairedProblem[]> {
  const names = (await readdir(dir)).filter((name) => /^(?:facts|jobs)\.sqlite/.test(name));
  const results: RepairedProblem[] = [];
  for (const path of [dir, ...names.map((name) => join(dir, name))]) {
    const { mode } = await stat(path);
    if ((mode & 0o077) === 0) continue;
    await chmod(path, mode & 0o700);
    results.push({ found: `others could look into ${path}`, repaired: true });
  }
  return results;
}

async function repairJobs(file: string): Promise<RepairedProblem[]> {
  const [{ repairDatabase }, { backUpSqlite }] = await Promise.all([
    import("../database/sqlite-doctor.ts"),
    import("../database/sqlite-driver.ts"),
  ]);
  const backUp = once(() => backUpSqlite(file, `${file}.repair.bak`));
  const results: RepairedProblem[] = await repairDatabase(file, backUp);
  if (results.some(({ repaired }) => !repaired)) return results;
  return [...results, ...(await repairRows(file, backUp))];
}

/** Repairs rows: jobs without a next time, wrong counters, and runs whose process is dead. */
async function repairRows(file: string, backUp: () => Promise<void>): Promise<RepairedProblem[]> {
  const [
    { readLeases },
    { openDatabase },
    { findJobProblems },
    { openRunQueue },
    { identifyProcess, isAlive },
  ] = await Promise.all([
    import("../database/sqlite-doctor.ts"),
    import("../database/open-sqlite.ts"),
    import("../store/job-doctor.ts"),
    import("../store/open-run-queue.ts"),
    import("../scheduler/this-process.ts"),
  ]);
  const db = await openDatabase({ file, now: Date.now });
  try {
    const problems = await findJobProblems(db, Date.now());
    const leases = await readLeases(file);
    if (problems.length + leases.length > 0) await backUp();
    const results: RepairedProblem[] = [];
    for (const { found, repair } of problems) {
      await repair?.();
      results.push({ found, repaired: true });
    }
    const worker = { ...identifyProcess({ isShared: false }), workerId: "doctor" };
    for (const { runId } of await openRunQueue(db).reapLost({ now: Date.now(), worker, isAlive }))
      results.push({ found: `${runId} was running in a process that is dead; it is lost`, repaired: true });
    return results;
  } finally {
    await db.close();
  }
}
