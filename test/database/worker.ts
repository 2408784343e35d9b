// A process of its own for the tests beside it: `node worker.ts <task> <file or URL> [run log | migrations]`. Says "ready", waits for a
// line on stdin so that several start together, and answers with one line of JSON.

import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunResult } from "../../src/jobs/run.ts";
import { isAlive } from "../../src/scheduler/this-process.ts";
import { openRunQueue } from "../../src/store/open-run-queue.ts";
import type { Claimed } from "../../src/store/run-queue.ts";
import { migrateTo } from "./migrating.ts";
import { openLocation } from "./open-location.ts";

const [, , task, location = "", log = ""] = process.argv;
const NOW = Date.UTC(2026, 1, 21);
const OUTCOME: RunResult = {
  status: "succeeded",
  output: "done",
  error: null,
  transcript: [{ step: 1, type: "note", text: "done" }],
  usage: { input_tokens: 1, output_tokens: 1 },
};
const self = { workerId: `worker_${process.pid}_${Math.random()}`, host: "here", pid: process.pid };

async function drain(finish: boolean): Promise<string[]> {
  const db = await openLocation(location, () => NOW);
  const runQueue = openRunQueue(db);
  const claimed: string[] = [];
  await runQueue.reapLost({ now: NOW, worker: self, isAlive });
  const claim = (): Promise<readonly Claimed[]> =>
    runQueue.claimDue({ now: NOW, limit: 4, filter: { kinds: ["tool"] }, worker: self, leaseMs: 60_000 });
  for (let batch = await claim(); batch.length > 0; batch = await claim()) {
    // Starting four ghosts would take this long, in which the other process can claim the next ones.
    if (!finish) await sleep(2);
    for (const { run } of batch) {
      claimed.push(run.jobId);
      if (!finish) continue;
      // This line stands for a ghost's side effect: it must happen at most once for each run.
      appendFileSync(log, `${run.jobId}\n`);
      await runQueue.finish(run.runId, OUTCOME, NOW);
    }
  }
  await db.close();
  return claimed;
}

await Promise.all([import("kysely"), import("pg")]);
process.stdout.write("ready\n");
await once(process.stdin, "data");
process.stdin.destroy();
if (task === "migrate") await migrateTo(location, JSON.parse(log), NOW);
if (task === "open") await (await openLocation(location, () => NOW)).close();
const answer = task === "open" || task === "migrate" ? [] : await drain(task === "work");
process.stdout.write(`${JSON.stringify(answer)}\n`);
