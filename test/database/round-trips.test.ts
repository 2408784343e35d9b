import { Client } from "pg";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isPipelined } from "../../src/database/sql.ts";
import { ALL_KINDS, newJob, openWorld, resultOf, type World, worker } from "../world.ts";

const OUTCOME = resultOf("succeeded", {
  output: "done",
  transcript: [{ step: 1, type: "note", text: "done" }],
});

describe.each(["Postgres", "pg-boss"] as const)("round trips to Postgres with the queue of %s", (backend) => {
  let world: World;
  beforeEach(async () => {
    world = await openWorld(backend);
  });
  afterEach(() => vi.restoreAllMocks());

  it("are at most 12 for the claim and the end of one occurrence", async () => {
    const { runQueue, now, pass } = world;
    await world.user("a").jobs.create(newJob());
    pass(60_000);
    const spy = vi.spyOn(Client.prototype, "query");
    const filter = { kinds: ALL_KINDS };
    const options = {
      now: now(),
      limit: 8,
      filter,
      worker: worker("w1"),
      leaseMs: 1000,
      maxRunsPerDay: 1_000,
    };
    const [claimed] = await runQueue.claimDue(options);
    expect(await runQueue.finish(claimed?.run.runId ?? "", OUTCOME, now())).toBe(true);
    const statements = spy.mock.calls.map(([query]) => query as string | { readonly text: string });
    // The first statements of a connection and pg-boss's maintenance do not belong to this occurrence.
    const others = /^(?:start|set search_path)|^\s*update nightshift_boss\.version/i;
    const textOf = (query: string | { readonly text: string }) =>
      typeof query === "string" ? query : query.text;
    const trips = statements.filter((query) => !others.test(textOf(query)) && !isPipelined(query));
    expect(statements.length).toBeGreaterThan(trips.length);
    expect(trips.length).toBeLessThanOrEqual(12);
  });
});
