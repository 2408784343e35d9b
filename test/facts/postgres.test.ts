import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { openKeyvFacts } from "../../src/facts/keyv.ts";
import { start } from "../child-process.ts";
import { startPostgres } from "../postgres/start.ts";
import { openPostgresForFile } from "../postgres.ts";
import { expectCode, failureOf } from "./expect-error.ts";
import { type NewFactStorage, postgresStorageAt, sqliteStorage } from "./fact-backends.ts";
import { ALICE, BOB, factStoreContract } from "./fact-store-contract.ts";
import { factMeaningContract } from "./meaning-contract.ts";
import { factSharingContract } from "./sharing-contract.ts";

const database = await openPostgresForFile();

/** The same database each time, as if nobody had ever used it. */
async function openEmpty(): Promise<string> {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query("DROP SCHEMA IF EXISTS nightshift CASCADE");
  await client.end();
  return database.url;
}
const postgresStorage: NewFactStorage = async () => postgresStorageAt(await openEmpty());

factStoreContract("Postgres through Keyv", async (options) =>
  openKeyvFacts({ databaseUrl: await openEmpty(), ...options }),
);
factSharingContract("Postgres", postgresStorage);
factMeaningContract("Postgres", postgresStorage);

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

const userKeyOf = (n: number) => n.toString(16).padStart(4, "0").repeat(16);

describe("facts in Postgres and in SQLite", () => {
  it("are recalled in the same order with the same scores", async () => {
    const storages = await Promise.all([sqliteStorage(), postgresStorage()]);
    const stores = storages.map((storage) => storage.open({ now: () => 1_750_000_000_000 }).open(ALICE));
    const what = [
      "Anna's violin",
      "the Zürich train",
      "ein Straßenfest",
      "東京の食べ物",
      "bread",
      "a_b%c",
      "Éclair",
    ];
    for (let i = 0; i < 120; i++) {
      const text = `${what[i % 7]} and ${what[(i * 3 + 1) % 7]}, note ${i % 50}`;
      for (const store of stores) await store.save({ text, tags: i % 3 ? [] : ["third"] });
    }
    for (const query of ["violin note 7", "strasse", "東京", "eclair and the train to zurich", "a_b%c 31"]) {
      for (const options of [{ limit: 50 }, { limit: 50, tags: ["third"] }]) {
        const [file, server] = await Promise.all(
          stores.map(async (store) =>
            (await store.recall(query, options)).map(({ text, score }) => [text, score]),
          ),
        );
        expect(file?.length).toBeGreaterThan(0);
        expect(server).toEqual(file);
      }
    }
  });
});

describe("facts in Postgres", () => {
  it("are there for several nodes that start at once on an empty database", async () => {
    const storage = await postgresStorage();
    const nodes = Array.from({ length: 6 }, () => storage.open());
    await Promise.all(nodes.map((node, i) => node.open(ALICE).save({ text: `saved by node ${i}` })));
    for (const node of nodes) expect((await node.open(ALICE).list()).facts).toHaveLength(6);
  });

  it("need no right to make tables once these are there", async () => {
    const url = await openEmpty();
    await postgresStorageAt(url).open().open(ALICE).save({ text: "the first" });
    const admin = await connect(url);
    const role = `plain_${new URL(url).pathname.slice(-8)}`;
    onTestFinished(async () => void (await admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)));
    await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'plain'; GRANT USAGE ON SCHEMA nightshift TO ${role};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA nightshift TO ${role}`);
    const plain = Object.assign(new URL(url), { username: role, password: "plain" }).href;
    const alice = postgresStorageAt(plain).open().open(ALICE);
    const { factId } = await alice.save({ text: "the second" });
    await alice.forget(factId);
    expect((await alice.list()).facts.map(({ text }) => text)).toEqual(["the first"]);
  });

  it("are saved for one user while another's are being written elsewhere", async () => {
    const storage = await postgresStorage();
    const node = storage.open({ lockTimeoutMs: 500 });
    await node.open(ALICE).save({ text: "the first" });
    const elsewhere = await connect((storage.at as { databaseUrl: string }).databaseUrl);
    const lock = BigInt.asIntN(64, BigInt(`0x${ALICE.slice(0, 16)}`));
    await elsewhere.query(`BEGIN; SELECT pg_advisory_xact_lock(${lock})`);
    const waiting = failureOf(node.open(ALICE).save({ text: "the second" }));
    expect((await node.open(BOB).save({ text: "Bob's" })).kind).toBe("saved");
    expect(await node.open(ALICE).recall("first")).toHaveLength(1);
    const failure = await waiting;
    expect([failure.code, failure.message]).toEqual([
      "DATA_UNAVAILABLE",
      "This memory is being written on another node; try again in a moment.",
    ]);
    await elsewhere.query("COMMIT");
    expect((await node.open(ALICE).save({ text: "the second" })).kind).toBe("saved");
  });

  it("are answered for everybody while one user asks for more than there are connections", async () => {
    const node = (await postgresStorage()).open({ poolSize: 2, maxCacheBytes: 1 });
    const users = [ALICE, BOB, ...Array.from({ length: 10 }, (_, i) => userKeyOf(i))];
    const asked = users.flatMap((user, i) =>
      Array.from({ length: i === 0 ? 100 : 3 }, async (_, n) => {
        await node.open(user).save({ text: `violin ${n}` });
        return (await node.open(user).recall("violin", { limit: 200 })).length;
      }),
    );
    expect(Math.min(...(await Promise.all(asked)))).toBeGreaterThan(0);
    expect(await node.open(ALICE).recall("violin", { limit: 200 })).toHaveLength(100);
  });

  it("can be saved elsewhere when a node is stopped in the middle of a save, which then fails", async () => {
    const storage = await postgresStorage();
    await storage.open().open(ALICE).list();
    const script = fileURLToPath(new URL("paused-saver.ts", import.meta.url));
    const child = start([script, JSON.stringify(storage.at), ALICE]);
    expect(await child.line(0)).toBe("stopping");
    const alice = storage.open({ lockTimeoutMs: 12_000 }).open(ALICE);
    expect((await alice.save({ text: "saved by the other node" })).kind).toBe("saved");
    child.kill("SIGCONT");
    expect(await child.line(1)).toBe("DATA_UNAVAILABLE");
    await child.exited;
    expect((await alice.list()).facts.map(({ text }) => text)).toEqual(["saved by the other node"]);
  });

  it("are unchanged, in memory too, when a write fails", async () => {
    const storage = await postgresStorage();
    const alice = storage.open().open(ALICE);
    await alice.save({ text: "first" });
    const raw = storage.openRaw();
    await raw.query("ALTER TABLE keyv ADD CONSTRAINT no CHECK (false) NOT VALID");
    const failure = await failureOf(alice.save({ text: "second" }));
    expect(failure.code).toBe("DATA_UNAVAILABLE");
    expect(failure.message).not.toMatch(/keyv|INSERT|second/);
    expect((await alice.list()).facts.map(({ text }) => text)).toEqual(["first"]);
    await raw.query("ALTER TABLE keyv DROP CONSTRAINT no");
    expect((await alice.save({ text: "second" })).kind).toBe("saved");
  });
});

describe("a Postgres in trouble", () => {
  it("is asked again over new connections when they were cut", async () => {
    const url = await openEmpty();
    const alice = postgresStorageAt(url).open().open(ALICE);
    await alice.save({ text: "before" });
    const admin = await connect(url);
    const cut = () =>
      admin.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
      );
    for (let i = 0; i < 5; i++) {
      const asked = [alice.recall("before"), alice.recall("before")];
      await cut();
      for (const found of await Promise.all(asked)) expect(found).toHaveLength(1);
    }
    await cut();
    expect((await alice.save({ text: "after" })).kind).toBe("saved");
  });

  it("is DATA_UNAVAILABLE while it is away, and used again when it is back", async () => {
    const server = await startPostgres();
    onTestFinished(() => server.close());
    const storage = postgresStorageAt(server.url);
    const node = storage.open({ lockTimeoutMs: 2_000 });
    await node.open(ALICE).save({ text: "before" });
    await server.stop();
    const failure = await failureOf(node.open(ALICE).recall("before"));
    expect([failure.code, failure.message]).toEqual([
      "DATA_UNAVAILABLE",
      "The database cannot be reached or has no free connection; try again in a moment.",
    ]);
    await expectCode(node.open(BOB).save({ text: "Bob's" }), "DATA_UNAVAILABLE");
    const late = storage.open({ lockTimeoutMs: 2_000 }).open(ALICE);
    await expectCode(late.list(), "DATA_UNAVAILABLE");
    const patient = storage.open({ lockTimeoutMs: 15_000 }).open(ALICE).recall("before");
    await server.start();
    expect(await patient).toHaveLength(1);
    expect(await node.open(ALICE).recall("before")).toHaveLength(1);
    expect((await late.save({ text: "after" })).kind).toBe("saved");
  }, 60_000);

  it.each([
    ["a wrong password", { password: "not-the-password" }],
    ["an absent database", { pathname: "no_such_database" }],
    ["a host without an address", { hostname: "no-such-host.invalid" }],
    ["a port where nobody listens", { port: "1" }],
  ])("says what to do about %s, and shows no part of the URL", async (_what, change) => {
    const url = Object.assign(new URL(database.url), change);
    const failure = await failureOf(
      postgresStorageAt(url.href).open({ lockTimeoutMs: 100 }).open(ALICE).list(),
    );
    expect(failure.code).toBe("DATA_UNAVAILABLE");
    for (const part of [url.password, url.hostname, url.pathname.slice(1), url.port])
      expect(JSON.stringify([failure.message, failure.data])).not.toContain(part);
    expect(failure.message).toMatch(/database/);
  });
});
