import { Client } from "pg";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isPipelined } from "../../src/database/sql.ts";
import type { RunResult } from "../../src/jobs/run.ts";
import { openJobStore } from "../../src/store/job-store.ts";
import {
  ALL_KINDS,
  type Backend,
  newJob,
  openBossBackend,
  openPostgresBackend,
  worker,
} from "./temporary.ts";

const OUTCOME: RunResult = {
  status: "succeeded",
  output: "done",
  error: null,
  transcript: [{ step: 1, type: "note", text: "done" }],
  usage: { input_tokens: 1, output_tokens: 1 },
};

describe.each([
  ["our own queue", openPostgresBackend],
  ["pg-boss", openBossBackend],
] as const)("round trips to Postgres with %s", (_name, open) => {
  let backend: Backend;
  beforeEach(async () => {
    backend = await open();
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await backend.close();
  });

  it("are at most 12 for the claim and the end of one occurrence", async () => {
    const { db, clock, pass } = backend;
    await openJobStore(db, { userKey: "a", userId: "alice", now: clock }).create(newJob());
    const runQueue = await backend.selectRunQueue(db);
    pass(60_000);
    const spy = vi.spyOn(Client.prototype, "query");
    const filter = { kinds: ALL_KINDS };
    const options = {
      now: clock(),
      limit: 8,
      filter,
      worker: worker("w1"),
      leaseMs: 1000,
      maxRunsPerDay: 1_000,
    };
    const [claimed] = await runQueue.claimDue(options);
    expect(await runQueue.finish(claimed?.run.runId ?? "", OUTCOME, clock())).toBe(true);
    const statements = spy.mock.calls.map(([sql]) => String(sql));
    // A connection's first words, and pg-boss's upkeep every minute, are not this occurrence's.
    const others = /^(?:start|set search_path)|^\s*update nightshift_boss\.version/i;
    const trips = statements.filter((sql) => !others.test(sql) && !isPipelined(sql));
    expect(statements.length).toBeGreaterThan(trips.length);
    expect(trips.length).toBeLessThanOrEqual(12);
  });
});
