import type { Transaction } from "kysely";
import type { JobWithMetadata, PgBoss } from "pg-boss";
import type { Database, UserLocks } from "../database/database.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import { ACTION_KINDS } from "../jobs/job.ts";
import type { Log } from "../log.ts";
import type { DueItem, FindDue } from "../store/due.ts";
import { interruptRun } from "../store/interrupt-run.ts";
import {
  createEndTransaction,
  type ExternalQueue,
  openRunQueue,
  type RunQueueOptions,
} from "../store/open-run-queue.ts";
import { openPlaces } from "../store/places.ts";
import type { ClaimOptions, RunQueue } from "../store/run-queue.ts";
import { type BossOutbox, SEND_BATCH, type Sent, singletonKey } from "./pg-boss-outbox.ts";
import { DEAD, inTransaction, pipelined, startBoss } from "./pg-boss-setup.ts";

/*
 * The queue of several nodes that share one Postgres. Each due time of a job or a queued run is a job in pg-boss that
 * starts at that time. The node that fetches it holds it, with a heartbeat, until the run has ended. When a node falls
 * silent, pg-boss makes a dead letter, by the database's clock, and the node that reads it ends the run as lost.
 *
 * Run state stays in our database. When a node fetches a job of pg-boss, it compares it with our row, and completes it
 * without a run if the time was changed or the run has been. So a pause or a new time takes effect on every node with
 * the commit that writes it.
 *
 * pg-boss's `work` is not used: it polls every half second at the soonest, and holds jobs for which a node has no slot.
 * Our loop wakes at the due time and fetches as many as it has slots. pg-boss's groups only limit how many runs one
 * user has at once, so the fair order of users goes into the priority.
 */

export interface PgBossOptions extends Omit<RunQueueOptions, "queue"> {
  readonly log: Log;
  /** How long before their time items are sent, in ms; default a minute. */
  readonly aheadMs?: number;
  /** How much later than pg-boss our leases tell of a dead node, because clocks may differ, in ms; default a minute. */
  readonly slackMs?: number;
}

export interface PgBossRunQueue extends RunQueue {
  close(): Promise<void>;
}

/** The shortest heartbeat that pg-boss has. */
const MIN_HEARTBEAT_S = 10;
/** When another node may fetch an item that one has left, in ms. */
const RESEND_MS = 1_000;

/** Opens pg-boss in a schema of its own, which is made when absent, over the connections of `db`. */
export async function openPgBoss(db: Database, options: PgBossOptions): Promise<PgBossRunQueue> {
  const { aheadMs = 60_000, slackMs = 60_000 } = options;
  const { boss, outbox } = await startBoss(db, options.log);
  const queue = createBossQueue({ db, boss, outbox, aheadMs, slackMs });
  const runQueue = openRunQueue(db, { ...options, queue });
  const endTransaction = createEndTransaction(db, options);

  /** Null when there is no dead letter. */
  const markNextLost = (now: number) =>
    endTransaction(null, async (trx, endOptions, users) => {
      const [dead] = await boss.fetch<Sent>(DEAD, { includeMetadata: true, db: inTransaction(trx) });
      if (!dead) return null;
      const row = await findHeld(trx, users, dead);
      const lost = row && (await interruptRun(trx, row, now, endOptions));
      await boss.complete(DEAD, dead.id, null, { db: pipelined(trx) });
      return { lost };
    });

  return {
    ...runQueue,
    async reapLost(reap) {
      const lost = [...(await runQueue.reapLost(reap))];
      for (let next = await markNextLost(reap.now); next; next = await markNextLost(reap.now))
        if (next.lost) lost.push(next.lost);
      await db.transact((trx) => outbox.repair(trx, ACTION_KINDS, reap.now), { of: null });
      return lost;
    },
    close: () => boss.stop({ graceful: false }),
  };
}

interface BossDeps {
  readonly db: Database;
  readonly boss: PgBoss;
  readonly outbox: BossOutbox;
  readonly aheadMs: number;
  readonly slackMs: number;
}

function createBossQueue(deps: BossDeps): ExternalQueue {
  const { db, boss, outbox, aheadMs, slackMs } = deps;
  let rotation = 0;
  return {
    slackMs,
    async find(claim) {
      const { filter, now, limit } = claim;
      // pg-boss cannot be asked for one user's items, or for one run. Those are found in our database, and their jobs in
      // pg-boss are completed when they are fetched later.
      if (filter.userKey !== undefined || filter.runId !== undefined || limit < 1) return null;
      const { waits, ready } = await outbox.look(db.kysely, filter.kinds, now + aheadMs);
      const sent = waits ? await sendDue(deps, claim) : new Set();
      // Where something waited and there was nothing left to send, another node has sent it.
      const isSentElsewhere = waits && sent.size === 0;
      const kinds = filter.kinds.filter((kind) => isSentElsewhere || sent.has(kind) || ready.includes(kind));
      // Another kind comes first each time, so that none has to wait for ever.
      const first = rotation++ % (kinds.length || 1);
      return findFetched(boss, [...kinds.slice(first), ...kinds.slice(0, first)], toBossJob(claim.leaseMs));
    },
    async touch(tickets) {
      for (const [name, ids] of byQueue(tickets)) await boss.touch(name, ids);
    },
    close: (trx, ticket) => completeTickets(boss, trx, [ticket]),
  };
}

/** Sends what is due soon to pg-boss. Resolves to the kinds of which it has sent something. */
async function sendDue(
  { db, boss, outbox, aheadMs }: BossDeps,
  { now, leaseMs }: ClaimOptions,
): Promise<ReadonlySet<string>> {
  const kinds = new Set<string>();
  const sendBatch = () =>
    db.transact(
      async (trx) => {
        const sent = await outbox.take(trx, now + aheadMs);
        for (const [kind, ofKind] of Map.groupBy(sent, (one) => one.kind)) {
          await boss.insert(kind, ofKind.map(toBossJob(leaseMs)), { db: pipelined(trx) });
          kinds.add(kind);
        }
        return sent.length;
      },
      { of: null },
    );
  while ((await sendBatch()) === SEND_BATCH);
  return kinds;
}

/**
 * Fetches from pg-boss, in the claim's transaction. What needs no run is completed with it, and what is left to other
 * nodes is sent again, for a moment later.
 */
const findFetched =
  (boss: PgBoss, kinds: readonly string[], toJob: ReturnType<typeof toBossJob>): FindDue =>
  async (trx, users, { limit, places: userPlaces, now }) => {
    const fetched: Fetched[] = [];
    const places = openPlaces(userPlaces);
    for (const kind of kinds)
      while (fetched.length < limit) {
        // No more than any one user may start: a batch may be all of one user.
        const batchSize = Math.min(limit - fetched.length, places.least);
        const batch = await boss.fetch<Sent>(kind, {
          batchSize,
          ignoreGroups: [...places.full],
          db: inTransaction(trx),
        });
        for (const { data } of batch) places.take(data.userKey);
        fetched.push(...batch);
        if (batch.length < batchSize) break;
      }
    const items = await findRows(trx, users, fetched);
    const tickets = fetched.map(ticketOf);
    return {
      items: items.sort((a, b) => a.at - b.at),
      again: fetched.length > 0 && items.length === 0,
      done: async (started, left) => {
        const done = tickets.filter((ticket) => !started.has(ticket));
        await completeTickets(boss, trx, done);
        const again = fetched.filter((one) => left?.has(ticketOf(one)));
        const startAfter = new Date(now + RESEND_MS);
        for (const [name, ofKind] of Map.groupBy(again, (one) => one.name)) {
          const jobs = ofKind.map(({ data }) => ({ ...toJob(data), startAfter }));
          await boss.insert(name, jobs, { db: pipelined(trx) });
        }
      },
    };
  };

async function completeTickets(
  boss: PgBoss,
  trx: Transaction<Tables>,
  tickets: readonly string[],
): Promise<void> {
  for (const [name, ids] of byQueue(tickets)) await boss.complete(name, ids, null, { db: pipelined(trx) });
}

type Fetched = Awaited<ReturnType<typeof PgBoss.prototype.fetch<Sent>>>[number];

/** The id of a pg-boss job, as our run row stores it. */
const ticketOf = ({ name, id }: Pick<Fetched, "name" | "id">): string => `${name}/${id}`;

/** The names of the queues that some tickets are of, each with its ids in pg-boss. */
const byQueue = (tickets: readonly string[]): [name: string, ids: string[]][] => {
  const parsed = tickets.map((ticket) => ticket.split("/") as [name: string, id: string]);
  return [...Map.groupBy(parsed, ([name]) => name)].map(([name, all]) => [name, all.map(([, id]) => id)]);
};

const toBossJob = (leaseMs: number) => (sent: Sent) => ({
  data: sent,
  startAfter: new Date(sent.dueAt),
  singletonKey: singletonKey(sent),
  priority: -sent.rank,
  group: { id: sent.userKey },
  heartbeatSeconds: Math.max(MIN_HEARTBEAT_S, Math.ceil(leaseMs / 1000)),
});

/** Locks the users of what was fetched, and finds the rows that still have the time and the kind they were sent with. */
async function findRows(
  trx: Transaction<Tables>,
  users: UserLocks,
  fetched: readonly Fetched[],
): Promise<DueItem[]> {
  if (fetched.length === 0) return [];
  for (const userKey of [...new Set(fetched.map(({ data }) => data.userKey))].sort())
    await users.take(userKey);
  const jobIds = fetched.filter(({ data }) => data.item === data.jobId).map(({ data }) => data.jobId);
  const runIds = fetched.filter(({ data }) => data.item !== data.jobId).map(({ data }) => data.item);
  const jobs =
    jobIds.length > 0 ? await trx.selectFrom("jobs").selectAll().where("job_id", "in", jobIds).execute() : [];
  const runs =
    runIds.length > 0 ? await trx.selectFrom("runs").selectAll().where("run_id", "in", runIds).execute() : [];
  const jobsById = new Map(jobs.map((row) => [row.job_id, row]));
  const runsById = new Map(runs.map((row) => [row.run_id, row]));
  return fetched.flatMap((one): DueItem[] => {
    const { item, userKey, dueAt: at } = one.data;
    const ticket = ticketOf(one);
    const job = jobsById.get(item);
    const run = runsById.get(item);
    const isUnchanged = (row: { user_key: string; kind: string }, dueAt: number | null) =>
      row.user_key === userKey && row.kind === one.name && dueAt === at;
    if (job && isUnchanged(job, job.next_run_at)) return [{ kind: "job", at, row: job, ticket }];
    if (run && isUnchanged(run, run.due_at)) return [{ kind: "run", at, row: run, ticket }];
    return [];
  });
}

/** The run whose node fell silent; undefined when it has ended. */
async function findHeld(
  trx: Transaction<Tables>,
  users: UserLocks,
  { data, sourceName, sourceId }: JobWithMetadata<Sent>,
): Promise<RunRow | undefined> {
  await users.take(data.userKey);
  return trx
    .selectFrom("runs")
    .selectAll()
    .where("job_id", "=", data.jobId)
    .where("status", "=", "running")
    .where("finished_at", "is", null)
    .where("ticket", "=", `${sourceName}/${sourceId}`)
    .executeTakeFirst();
}
