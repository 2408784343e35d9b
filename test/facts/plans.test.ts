import { Client, TypeOverrides } from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { createCacheEntry, noteOwnWrite, syncEntry } from "../../src/facts/cache.ts";
import type { Query } from "../../src/facts/database.ts";
import { openPostgres } from "../postgres.ts";
import { postgresStorageAt } from "./fact-backends.ts";
import { ALICE } from "./fact-store-contract.ts";

const INT8_OID = 20;
const OWN_FACTS = 40;

interface Plan {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Actual Rows": number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly Plan[];
}
const flatten = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(flatten)];

async function connect(url: string): Promise<Client> {
  const types = new TypeOverrides();
  types.setTypeParser(INT8_OID, Number);
  const client = new Client({ connectionString: url, types, options: "-c search_path=nightshift" });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** Makes a database that sorts text by language rules, not by bytes, as most databases do. */
async function openSorted(): Promise<string> {
  const { url } = await openPostgres();
  const admin = await connect(url);
  const name = `${new URL(url).pathname.slice(1)}_sorted`;
  await admin.query(`CREATE DATABASE ${name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'`);
  onTestFinished(async () => void (await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)));
  return Object.assign(new URL(url), { pathname: name }).href;
}

describe("a reader's queries in Postgres", () => {
  it("reads rows of its own user alone, by an index", async () => {
    const url = await openSorted();
    const alice = postgresStorageAt(url).open().open(ALICE);
    for (let i = 0; i < OWN_FACTS; i++) await alice.save({ text: `note ${i}` });
    const client = await connect(url);
    await client.query(`INSERT INTO keyv (key, value)
      SELECT md5(u::text) || md5(u::text) || ':fact_' || f, '{"value":{"text":"not Alice''s"}}'
      FROM generate_series(1, 400) AS u, generate_series(1, 50) AS f`);

    const nodes: Plan[] = [];
    const anybodys: Plan[] = [];
    const query: Query = async (sql, ...parameters) => {
      const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, parameters);
      nodes.push(...flatten(rows[0]["QUERY PLAN"][0].Plan));
      // Forces the generic plan that a prepared statement may get, whichever user it is run for.
      const generic = await client.query(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${sql}`);
      anybodys.push(...flatten(generic.rows[0]["QUERY PLAN"][0].Plan));
      return (await client.query(sql, parameters)).rows;
    };
    const entry = createCacheEntry();
    const sync = () =>
      syncEntry(ALICE, entry, { query, parse: (value) => JSON.parse(value).value, now: Date.now() });
    for (const statistics of ["SELECT 1", "ANALYZE"]) {
      await client.query(statistics);
      entry.changes = -1;
      await sync();
      await alice.save({ text: `one more after ${statistics}` });
      await sync();
      const newest = (await alice.list({ limit: 2 })).facts;
      for (const { factId, text } of newest) {
        await alice.forget(factId);
        await alice.save({ text: `${text} again` });
      }
      entry.rowId = Number.MAX_SAFE_INTEGER;
      await sync();
      await noteOwnWrite(ALICE, entry, query, newest[0]?.factId);
    }
    expect(entry.userFacts.facts.size).toBe(OWN_FACTS + 2);

    const reads = nodes.filter((node) => node["Relation Name"] !== undefined);
    expect(new Set(reads.map((node) => node["Relation Name"]))).toEqual(new Set(["keyv", "fact_changes"]));
    const scans = [...nodes, ...anybodys].filter((node) => node["Node Type"] === "Seq Scan");
    expect(scans.filter((node) => node["Relation Name"] === "keyv")).toEqual([]);
    for (const node of reads)
      expect(node["Actual Rows"] + (node["Rows Removed by Filter"] ?? 0)).toBeLessThanOrEqual(OWN_FACTS + 4);
  });
});
