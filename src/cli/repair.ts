import { chmod, readdir, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { Config } from "../config.ts";
import { once } from "../lifecycle.ts";

/** Something that was wrong with the data. */
export interface Repair {
  readonly check: string;
  readonly found: string;
  readonly repaired: boolean;
  /** What to do about it. */
  readonly advice?: string;
}
type Repaired = Pick<Repair, "found" | "repaired">;

const BY_HAND =
  "Nothing safe can be done about it: keep a copy of the data folder, and bring back a backup (….bak).";

/**
 * Mends what can be mended without losing anything, each file after a copy of it (`….repair.bak`). Does nothing while
 * another process has a run at work.
 */
export async function repairData({ dataDir }: Config): Promise<Repair[]> {
  const dir = resolve(dataDir);
  const jobs = join(dir, "jobs.sqlite");
  const facts = join(dir, "facts.sqlite");
  // Where even that cannot be read, the table is damaged, and is left alone below.
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

/** What `repair` found of a file that is there, and what a dead process had left in its write-ahead log. */
async function attempt(
  check: string,
  file: string,
  repair: () => Promise<readonly Repaired[]>,
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
    // Whoever closes a file last empties its log: it is there still where somebody else has the file open.
    if (logBytes === 0 || (await sizeOf(`${file}-wal`)) > 0) return results;
    const found = `a dead process had left ${logBytes} bytes in the write-ahead log`;
    return [...results, { check, found, repaired: true }];
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    return [{ check, found, repaired: false, advice: BY_HAND }];
  }
}

/** The processes that are alive, as far as can be told, and hold a lease that is not over. */
async function findHolders(file: string): Promise<string[]> {
  const [{ readLeases }, { isAlive }] = await Promise.all([
    import("../database/sqlite-doctor.ts"),
    import("../scheduler/heartbeat.ts"),
  ]);
  const live = (await readLeases(file)).filter(
    ({ host, pid, until }) => until >= Date.now() && (host !== hostname() || isAlive(pid)),
  );
  return [...new Set(live.map(({ host, pid }) => `process ${pid} on ${host}`))];
}

async function repairModes(dir: string): Promise<Repaired[]> {
  const names = (await readdir(dir)).filter((name) => /^(?:facts|jobs)\.sqlite/.test(name));
  const results: Repaired[] = [];
  for (const path of [dir, ...names.map((name) => join(dir, name))]) {
    const { mode } = await stat(path);
    if ((mode & 0o077) === 0) continue;
    await chmod(path, mode & 0o700);
    results.push({ found: `others could look into ${path}`, repaired: true });
  }
  return results;
}

async function repairJobs(file: string): Promise<Repaired[]> {
  const [{ repairDatabase }, { backUpSqlite }] = await Promise.all([
    import("../database/sqlite-doctor.ts"),
    import("../database/sqlite-driver.ts"),
  ]);
  const backUp = once(() => backUpSqlite(file, `${file}.repair.bak`));
  const results: Repaired[] = await repairDatabase(file, backUp);
  if (results.some(({ repaired }) => !repaired)) return results;
  return [...results, ...(await repairRows(file, backUp))];
}

/** What the rows say: of jobs that nothing would start, of counts, and of runs whose process is gone. */
async function repairRows(file: string, backUp: () => Promise<void>): Promise<Repaired[]> {
  const [{ readLeases }, { openDatabase }, { findJobProblems }, { openRunQueue }, { isAlive }] =
    await Promise.all([
      import("../database/sqlite-doctor.ts"),
      import("../database/open-sqlite.ts"),
      import("../store/job-doctor.ts"),
      import("../store/open-run-queue.ts"),
      import("../scheduler/heartbeat.ts"),
    ]);
  const db = await openDatabase({ file, now: Date.now });
  try {
    const problems = await findJobProblems(db, Date.now());
    const leases = await readLeases(file);
    if (problems.length + leases.length > 0) await backUp();
    const results: Repaired[] = [];
    for (const { found, repair } of problems) {
      await repair?.();
      results.push({ found, repaired: true });
    }
    const worker = { workerId: "doctor", host: hostname(), pid: process.pid };
    for (const { runId } of await openRunQueue(db).reapLost({ now: Date.now(), worker, isAlive }))
      results.push({ found: `${runId} was running in a process that is dead; it is lost`, repaired: true });
    return results;
  } finally {
    await db.close();
  }
}
