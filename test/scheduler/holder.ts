// A node of its own for the tests beside it: `node holder.ts <URL>`. Takes one run, says which, and holds it until it
// is killed. Its host is nobody else's, as that of another machine.

import { setInterval as every } from "node:timers/promises";
import { pino } from "pino";
import { openPostgres } from "../../src/database/open-postgres.ts";
import { openPgBoss } from "../../src/scheduler/pg-boss.ts";

const db = await openPostgres({ url: process.argv[2] ?? "", now: Date.now });
const runQueue = await openPgBoss(db, { log: pino({ level: "silent" }) });
const worker = { workerId: "holder", host: "elsewhere", pid: process.pid };
const leaseMs = 10_000;
const [claimed] = await runQueue.claimDue({
  now: Date.now(),
  limit: 1,
  filter: { kinds: ["tool"] },
  worker,
  leaseMs,
});
process.stdout.write(`${claimed?.run.runId}\n`);
for await (const _ of every(1_000))
  await runQueue.renewLeases({ runIds: [claimed?.run.runId ?? ""], now: Date.now(), leaseMs, worker });
