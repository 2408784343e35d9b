import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { openKeyvFacts } from "../../src/facts/keyv.ts";
import { startPostgres } from "../postgres/start.ts";
import { type At, type BenchRow, fillFile, keyOf, LIMITS, qualityOf, rowsOf, timeRecalls } from "./recall.ts";
import { median } from "./yardstick.ts";

const USERS = 1_000;
const FACTS_PER_USER = 100;
const SAMPLE = 300;
const ROUNDS = 5;

/** The same facts in a file and in a Postgres of this machine: what is found, and how soon. */
export async function benchRecallPostgres(): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), "nightshift-bench-recall-"));
  const server = await startPostgres();
  try {
    const file: At = { file: join(folder, "facts.sqlite") };
    const database: At = { databaseUrl: server.url };
    const quality = [
      ...(await qualityOf("facts", { file: join(folder, "quality.sqlite") })).map(named("SQLite")),
      ...(await qualityOf("facts", database)).map(named("Postgres")),
    ];
    await fillFile(file.file, USERS, FACTS_PER_USER);
    await fillDatabase(server.url);
    return [...quality, ...(await compare(file, database))];
  } finally {
    await server.close();
    await rm(folder, { recursive: true });
  }
}

const named =
  (where: string) =>
  (row: BenchRow): BenchRow => ({ ...row, name: `${row.name}, ${where}` });

async function fillDatabase(url: string): Promise<void> {
  const backend = openKeyvFacts({ databaseUrl: url, limits: LIMITS });
  await backend.open(keyOf(0)).list();
  await backend.close();
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("TRUNCATE nightshift.keyv, nightshift.fact_changes");
  for (const rows of rowsOf(USERS, FACTS_PER_USER)) {
    await client.query(
      `INSERT INTO nightshift.keyv (key, value)
       SELECT row ->> 0, row ->> 1 FROM json_array_elements($1) AS row`,
      [rows],
    );
  }
  await client.query("ANALYZE");
  await client.end();
}

/** Measures the two alternately, so that other work of the machine slows both. */
async function compare(...places: readonly At[]): Promise<BenchRow[]> {
  const coldMs: number[][] = places.map(() => []);
  const warmMs: number[][] = places.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, at] of places.entries()) {
      const backend = openKeyvFacts({ ...at, limits: LIMITS });
      await timeRecalls([backend.open(keyOf(0))]);
      const stores = Array.from({ length: SAMPLE }, (_, n) => backend.open(keyOf((n * 31 + 1) % USERS)));
      coldMs[i]?.push(...(await timeRecalls(stores)));
      warmMs[i]?.push(...(await timeRecalls(stores)));
      await backend.close();
    }
  }
  return [rowOf("cold", coldMs), rowOf("warm", warmMs)];
}

function rowOf(what: string, [file = [], database = []]: readonly number[][]): BenchRow {
  const [fileMs, databaseMs] = [median(file), median(database)];
  return {
    name: `recall ${what}, ${USERS} users x ${FACTS_PER_USER} facts`,
    value: `${databaseMs.toFixed(2)} ms on Postgres, ${fileMs.toFixed(2)} ms on SQLite`,
    yardstick: `${(databaseMs / fileMs).toFixed(2)} x, at most 2 x`,
  };
}
