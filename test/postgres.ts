import { randomBytes } from "node:crypto";
import { get } from "node:http";
import { text } from "node:stream/consumers";
import { Client } from "pg";
import { afterAll, inject, onTestFinished } from "vitest";

/** Prepares an empty database as the template that every copy starts from. */
export type Prepare = (url: string) => Promise<void>;

let admin: Promise<string> | undefined;
const templates = new Map<Prepare, Promise<string>>();

/**
 * A database of one's own in the one real Postgres of this test run, dropped when the test has finished: empty, or a
 * copy of what `prepare` made, which runs once for each test file.
 */
export async function openPostgres(prepare?: Prepare): Promise<{ url: string }> {
  const template = prepare ? await templateOf(prepare) : undefined;
  const name = await createDatabase(template);
  onTestFinished(() => asAdmin(`drop database "${name}" with (force)`));
  return { url: await urlOf(name) };
}

/**
 * One database for all tests of a file, asked for outside of them and dropped after the last: for many small tests,
 * which empty it themselves sooner than a database is made.
 */
export async function openPostgresForFile(): Promise<{ url: string }> {
  const name = await createDatabase();
  afterAll(() => asAdmin(`drop database "${name}" with (force)`));
  return { url: await urlOf(name) };
}

function templateOf(prepare: Prepare): Promise<string> {
  let made = templates.get(prepare);
  if (!made) {
    made = createDatabase().then(async (name) => {
      await prepare(await urlOf(name));
      return name;
    });
    templates.set(prepare, made);
  }
  return made;
}

async function createDatabase(template?: string): Promise<string> {
  const name = `test_${randomBytes(8).toString("hex")}`;
  // Copies the files: through the log, which is the default, it takes three times as long.
  await asAdmin(`create database "${name}" template "${template ?? "template1"}" strategy file_copy`);
  return name;
}

async function asAdmin(sql: string): Promise<void> {
  admin ??= askForPostgres();
  const client = new Client({ connectionString: await admin });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function urlOf(database: string): Promise<string> {
  admin ??= askForPostgres();
  const url = new URL(await admin);
  url.pathname = database;
  return url.href;
}

const askForPostgres = (): Promise<string> =>
  new Promise((resolve, reject) => {
    get(inject("askForPostgres"), { agent: false }, async (response) => {
      const answer = await text(response);
      if (response.statusCode === 200) resolve(answer);
      else reject(new Error(answer));
    }).on("error", reject);
  });
