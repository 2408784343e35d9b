import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KeyvPostgres } from "@keyv/postgres";
import { KeyvSqlite } from "@keyv/sqlite";
import type { KeyvStoreAdapter } from "keyv";
import { onTestFinished } from "vitest";
import { checkFacts } from "../../src/facts/doctor.ts";
import { type KeyvFactsOptions, openKeyvFacts } from "../../src/facts/keyv.ts";
import type { PostgresLocation } from "../../src/facts/postgres.ts";
import type { FactBackend } from "../../src/facts/store.ts";
import { start } from "../child-process.ts";
import { tempDir } from "../harness.ts";
import { LIMITS } from "./limits.ts";

type At = { readonly file: string } | { readonly databaseUrl: string };
type Rest = Partial<
  Pick<
    KeyvFactsOptions,
    "limits" | "now" | "lockTimeoutMs" | "maxCacheBytes" | "embedder" | "onEmbedderFailure"
  > &
    Pick<PostgresLocation, "poolSize">
>;

/** Storage that several nodes may share. Everything that is opened is closed when the test has finished. */
export interface FactStorage {
  readonly at: At;
  /** A node of its own in this process. */
  open(options?: Rest): FactBackend;
  /** The storage through plain Keyv's adapter, as another program would see it. Once in a test: it has one pool. */
  openRaw(): Raw;
  /** Fails when the storage is damaged. */
  check(): Promise<void>;
  /** Runs `saver.ts`, a node in a process of its own, killed when it has printed `killAfter` lines. Resolves to its lines. */
  runSaver(args: readonly (string | number)[], options?: { killAfter?: number }): Promise<string[]>;
}

interface Raw {
  readonly store: KeyvStoreAdapter;
  query(sql: string): Promise<unknown[]>;
}
export type NewFactStorage = () => Promise<FactStorage>;

export const newFile = async (): Promise<string> =>
  join(await tempDir(), `${randomBytes(6).toString("hex")}.sqlite`);

export const sqliteStorage: NewFactStorage = async () => sqliteStorageAt(await newFile());

export const sqliteStorageAt = (file: string): FactStorage =>
  storageAt({ file }, () => new KeyvSqlite({ uri: `sqlite://${file}`, busyTimeout: 2_000 }));

export const postgresStorageAt = (databaseUrl: string): FactStorage =>
  storageAt(
    { databaseUrl },
    () =>
      new KeyvPostgres({
        uri: databaseUrl,
        schema: "nightshift",
        options: "-c search_path=nightshift",
        max: 2,
      }),
  );

function storageAt(at: At, openAdapter: () => KeyvSqlite | KeyvPostgres): FactStorage {
  return {
    at,
    open(options = {}) {
      const backend = openKeyvFacts({ limits: LIMITS, ...at, ...options });
      onTestFinished(() => backend.close());
      return backend;
    },
    check: async () => void ("file" in at && (await checkFacts(at.file))),
    openRaw() {
      const store = openAdapter();
      onTestFinished(() => store.disconnect());
      return { store, query: (sql) => store.query(sql) };
    },
    async runSaver(args, { killAfter } = {}) {
      const saver = fileURLToPath(new URL("saver.ts", import.meta.url));
      const child = start([saver, JSON.stringify(at), ...args.map(String)]);
      if (killAfter) {
        await child.line(killAfter - 1);
        child.kill("SIGKILL");
      }
      await child.exited;
      return [...child.lines()];
    },
  };
}
