import type { Transaction } from "kysely";
import type { JobWithMetadata, PgBoss } from "pg-boss";
import type { Database, UserLocks } from "../database/database.ts";
import type { RunRow, Tables } from "../database/schema.ts";
import type { Log } from "../log.ts";
import type { DueItem, FindDue } from "../store/due.ts";
import { endAsLost } from "../store/leases.ts";
import {
  createEndTransaction,
  type ExternalQueue,
  openRunQueue,
  type RunQueueOptions,
} from "../store/open-run-queue.ts";
import type { ClaimOptions, RunQueue } from "../store/run-queue.ts";
import { keyOf, SEND_BATCH, type Sent } from "./pg-boss-outbox.ts";
import { DEAD, inTransaction, KINDS, pipelined, startBoss } from "./pg-boss-setup.ts";

/*
 * Occurrences by pg-boss, for several nodes with one Postgres. Each occurrence is a job there that starts at its time,
 * once for a scheduled job and a time. A node that takes one holds it, with a heartbeat, until its run has ended; of a
 * node that fell silent pg-boss makes a dead letter, by the database's clock, and whoever reads it ends the run as lost.
 * What has run stays with the ledger: a job of pg-boss whose time was changed since, or that was run already, is
 * recognised by the job's row when it is picked up, and completed without a run. So a pause or a new time takes effect
 * on every node with the commit that writes it.
 *
 * pg-boss's `work` polls every half second at the soonest and holds jobs that a node has no slot for: the clock wakes
 * at the due time and fetches as many as it has slots. Its groups only limit how many of one user are at work: whose
 * turn it is goes into the priority.
 */

export interface PgBossOptions extends Omit<RunQueueOptions, "queue"> {
  readonly log: Log;
  /** How long before their time occurrences are sent, in ms; default a minute. */
  readonly aheadMs?: number;
  /** How much later than pg-boss the leases of the ledger tell of a dead node, whose clocks may differ, in ms; default a minute. */
  readonly slackMs?: number;
}

export interface PgBossRunQueue extends RunQueue {
  close(): Promise<void>;
}

/** The shortest that pg-boss has. */
const MIN_HEARTBEAT_S = 10;

/** Opens pg-boss in a schema of its own, made when absent, over the connections of `db`. */
export async function openPgBoss(db: Database, options: PgBossOptions): Promise<PgBossRunQueue> {
  const { aheadMs = 60_000, slackMs = 60_000 } = options;
  const { boss, outbox } = await startBoss(db, options.log);

  /** Answers with the kinds that something was sent of. */
  const send = async ({ now, leaseMs }: ClaimOptions): Promise<ReadonlySet<string>> => {
    const kinds = new Set<string>();
    const heartbeatSeconds = Math.max(MIN_HEARTBEAT_S, Math.ceil(leaseMs / 1000));
    const sendBatch = () =>
      db.transact(
        async (trx) => {
          const sent = await outbox.take(trx, now + aheadMs);
          for (const [kind, ofKind] of Map.groupBy(sent, (one) => one.kind)) {
            await boss.insert(kind, ofKind.map(toBossJob(heartbeatSeconds)), { db: pipelined(trx) });
            kinds.add(kind);
          }
          return sent.length;
        },
        { of: null },
      );
    while ((await sendBatch()) === SEND_BATCH);
    return kinds;
  };

  const complete = async (trx: Transaction<Tables>, tickets: readonly string[]) => {
    for (const [name, ids] of byQueue(tickets)) await boss.complete(name, ids, null, { db: pipelined(trx) });
  };
  const findIn =
    (kinds: readonly string[]): FindDue =>
    async (trx, users, { limit }) => {
      const fetched = await fetchSome(trx, kinds, limit);
      const items = await hold(trx, users, fetched);
      return {
        items: items.sort((a, b) => a.at - b.at),
        again: fetched.length > 0 && items.length === 0,
        done: (started) =>
          complete(
            trx,
            fetched.map(ticketOf).filter((ticket) => !started.has(ticket)),
          ),
      };
    };
  const fetchSome = async (trx: Transaction<Tables>, kinds: readonly string[], limit: number) => {
    const fetched: Fetched[] = [];
    for (const kind of kinds) {
      if (fetched.length >= limit) break;
      fetched.push(
        ...(await boss.fetch<Sent>(kind, { batchSize: limit - fetched.length, db: inTransaction(trx) })),
      );
    }
    return fetched;
  };

  let rotation = 0;
  const queue: ExternalQueue = {
    slackMs,
    find: async (claim) => {
      const { filter, now, limit } = claim;
      // pg-boss can't be asked for one user's, or for one run: the ledger finds those, and its own are completed later.
      if (filter.userKey !== undefined || filter.runId !== undefined || limit < 1) return null;
      const { waits, ready } = await outbox.look(db.kysely, filter.kinds, now + aheadMs);
      const sent = waits ? await send(claim) : new Set();
      // What waited and was not there to be sent any more was sent by another node meanwhile.
      const isSentElsewhere = waits && sent.size === 0;
      const kinds = filter.kinds.filter((kind) => isSentElsewhere || sent.has(kind) || ready.includes(kind));
      // No kind goes first for ever.
      const first = rotation++ % (kinds.length || 1);
      return findIn([...kinds.slice(first), ...kinds.slice(0, first)]);
    },
    touch: async (tickets) => {
      for (const [name, ids] of byQueue(tickets)) await boss.touch(name, ids);
    },
    close: (trx, ticket) => complete(trx, [ticket]),
  };
  const databaseQueue = openRunQueue(db, { ...options, queue });
  const endTransaction = createEndTransaction(db, options);

  const markNextLost = (now: number) =>
    endTransaction(null, async (trx, endOptions, users) => {
      const [dead] = await boss.fetch<Sent>(DEAD, { includeMetadata: true, db: inTransaction(trx) });
      if (!dead) return null;
      const row = await findHeld(trx, users, dead);
      const lost = row && (await endAsLost(trx, row, now, endOptions));
      await boss.complete(DEAD, dead.id, null, { db: pipelined(trx) });
      return { lost };
    });

  return {
    ...databaseQueue,
    async reapLost(reap) {
      const lost = [...(await databaseQueue.reapLost(reap))];
      for (let next = await markNextLost(reap.now); next; next = await markNextLost(reap.now))
        if (next.lost) lost.push(next.lost);
      await db.transact((trx) => outbox.repair(trx, KINDS, reap.now), { of: null });
      return lost;
    },
    close: () => boss.stop({ graceful: false }),
  };
}

type Fetched = Awaited<ReturnType<typeof PgBoss.prototype.fetch<Sent>>>[number];

/** What a run remembers of the job that it was fetched as. */
const ticketOf = ({ name, id }: Pick<Fetched, "name" | "id">): string => `${name}/${id}`;

const byQueue = (tickets: readonly string[]): ReadonlyMap<string, string[]> => {
  const queues = new Map<string, string[]>();
  for (const ticket of tickets) {
    const [name = "", id = ""] = ticket.split("/");
    queues.set(name, [...(queues.get(name) ?? []), id]);
  }
  return queues;
};

const toBossJob = (heartbeatSeconds: number) => (sent: Sent) => ({
  data: sent,
  startAfter: new Date(sent.dueAt),
  singletonKey: keyOf(sent),
  priority: -sent.rank,
  group: { id: sent.userKey },
  heartbeatSeconds,
});

/** The rows of what was fetched and still waits as it was sent; its users are held from here on. */
async function hold(
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
    const waits = (row: { user_key: string; kind: string }, dueAt: number | null) =>
      row.user_key === userKey && row.kind === one.name && dueAt === at;
    if (job && waits(job, job.next_run_at)) return [{ kind: "job", at, row: job, ticket }];
    if (run && waits(run, run.due_at)) return [{ kind: "run", at, row: run, ticket }];
    return [];
  });
}

/** The run that somebody fell silent with; undefined when it has had its end. */
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
