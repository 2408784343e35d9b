import { CompiledQuery } from "kysely";
import { describe, expect, it, vi } from "vitest";
import { shareEvents } from "../../src/database/cluster-events.ts";
import type { Database, NotifyChannel, NotifyListener } from "../../src/database/database.ts";
import { createEvents } from "../../src/events.ts";
import { newJob, openWorld } from "../world.ts";
import { type EventNodes, eventsContract } from "./events-contract.ts";

const eventsOn = (db: Database) => {
  const events = createEvents();
  expect(db.notifyChannel).toBeDefined();
  if (db.notifyChannel) shareEvents(events, db.notifyChannel, db);
  return events;
};

async function onPostgres(): Promise<EventNodes> {
  const { db, reopen } = await openWorld("Postgres");
  return { here: eventsOn(db), there: eventsOn(await reopen()) };
}

eventsContract("one process", async () => {
  const events = createEvents();
  return { here: events, there: events };
});
eventsContract("Postgres", onPostgres);

describe("events on Postgres", () => {
  async function openNodes() {
    const world = await openWorld("Postgres");
    const far = await world.reopen();
    const heard: string[] = [];
    const there = eventsOn(far);
    there.subscribe(
      "a",
      ({ uri }) => heard.push(uri),
      () => ["fact://watched", "job://other"],
    );
    const store = world.user("a").jobs;
    return { world, store, here: eventsOn(world.db), heard };
  }
  const query = (db: Database, sql: string) => db.kysely.executeQuery(CompiledQuery.raw(sql));

  it("of a gap that could not be caught up are told after the next one", async () => {
    const { db, user, now, pass } = await openWorld("SQLite");
    let reconnect = (_since: number): void => {};
    const events = createEvents();
    const channel = {
      send: () => {},
      listen: ({ onReconnect }: NotifyListener) => (reconnect = onReconnect),
    };
    shareEvents(events, channel as unknown as NotifyChannel, db);
    const heard: string[] = [];
    events.subscribe("a", ({ uri }) => heard.push(uri));
    const { jobId } = await user("a").jobs.create(newJob());
    await query(db, "alter table jobs rename to hidden");
    const read = vi.spyOn(db.kysely, "selectFrom");
    reconnect(now());
    await vi.waitFor(() => expect(read.mock.settledResults).not.toEqual([]));
    pass(600_000);
    await query(db, "alter table hidden rename to jobs");
    reconnect(now());
    await vi.waitFor(() => expect(heard).toEqual([`job://${jobId}`]));
  });

  it("that were missed while the connection was cut are told when it is back", async () => {
    const { world, store, here, heard } = await openNodes();
    await query(
      world.db,
      "select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %' and datname = current_database()",
    );
    const { jobId } = await store.create(newJob());
    await query(
      world.db,
      `insert into inbox (item_id, user_key, kind, job_id, status, created_at)
       values ('item_1', 'a', 'warning', '${jobId}', 'failed', ${world.now()})`,
    );
    await vi.waitFor(
      () => expect(heard).toEqual(expect.arrayContaining([`job://${jobId}`, "inbox://"])),
      10_000,
    );
    // Nothing tells afterwards which facts were forgotten.
    expect(heard).toContain("fact://watched");
    expect(heard).not.toContain("job://other");
    // Later events arrive again.
    await vi.waitFor(() => {
      here.publish("a", { kind: "job", uri: "job://later" });
      expect(heard).toContain("job://later");
    }, 10_000);
  });

  it("are kept until they can be sent", async () => {
    const { world, here, heard } = await openNodes();
    await query(
      world.db,
      "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database() and query not like 'listen %'",
    );
    for (let i = 0; i < 20; i++) here.publish("a", { kind: "run", uri: `run://${i}` });
    await vi.waitFor(() => expect(heard).toEqual(Array.from({ length: 20 }, (_, i) => `run://${i}`)), 10_000);
  });

  it("are not made from other messages on the channel", async () => {
    const { world, here, heard } = await openNodes();
    for (const said of ["", "x", "x null", "x [1,2]", 'x ["a",null]', 'x ["a",{"uri":7}]', "x {"])
      await query(world.db, `notify nightshift_wire, '${said}'`);
    here.publish("a", { kind: "job", uri: "job://real" });
    await vi.waitFor(() => expect(heard).toEqual(["job://real"]), 10_000);
  });
});
