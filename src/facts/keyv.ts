import { NightshiftError } from "../errors.ts";
import { type CacheEntry, createFactCache, type FactCache, noteOwnWrite } from "./cache.ts";
import { createCursors } from "./cursor.ts";
import { type FactsDatabase, whileBusy } from "./database.ts";
import type { Embedder } from "./embedder.ts";
import { createMeaning, type Meaning, type MeaningOptions } from "./meaning.ts";
import { openFactsPostgres, type PostgresLocation } from "./postgres.ts";
import {
  assertUserKey,
  bytesOf,
  checkNewFact,
  checkRoom,
  expiryOf,
  mergeAgain,
  newFactId,
  type StoredFact,
  toFact,
  uniqueTags,
} from "./rules.ts";
import { openFactsFile } from "./sqlite.ts";
import type { FactBackend, FactLimits, FactStore, NewFact, Saved } from "./store.ts";
import type { UserFacts } from "./user-facts.ts";
import type { UserVectors } from "./vectors.ts";
import { createWriteQueue, type Transaction, type WriteQueue } from "./write-queue.ts";

const DEFAULT_LOCK_TIMEOUT_MS = 5_000;
const DEFAULT_MAX_CACHE_BYTES = 128 * 1024 * 1024;
const DEFAULT_RECALL_LIMIT = 10;
const DEFAULT_PAGE_LIMIT = 50;
/** Keyv's adapter compares every key with every row that it finds. */
const MAX_DELETES_AT_ONCE = 200;

export type KeyvFactsOptions = FactsOptions & (FileLocation | PostgresLocation);

interface FileLocation {
  /** Path of facts.sqlite; its folder must exist. */
  readonly file: string;
}

interface FactsOptions {
  readonly limits: FactLimits;
  /** Epoch ms. Default `Date.now`. */
  readonly now?: () => number;
  /** How long to wait for a lock, a free connection or a server that restarts. Default 5,000 ms. */
  readonly lockTimeoutMs?: number;
  /** Makes recall go by meaning too. Default: by words alone. */
  readonly embedder?: Embedder | undefined;
  /** Called when the embedder begins to fail. */
  readonly onEmbedderFailure?: MeaningOptions["onFailure"];
  /** Memory for copies of users' facts, over all users. Default 128 MiB; the least recently used go first. */
  readonly maxCacheBytes?: number;
}

interface OpenedFacts {
  readonly database: FactsDatabase;
  readonly cache: FactCache;
  readonly writeQueue: WriteQueue;
  readonly meaning: Meaning | undefined;
}

/**
 * Facts in one SQLite file or one Postgres database, through Keyv, under `<userKey>:<factId>`. Several processes may
 * share either. The first call of a store loads and opens the database. If that fails, the next call tries again.
 */
export function openKeyvFacts(options: KeyvFactsOptions): FactBackend {
  const {
    lockTimeoutMs = DEFAULT_LOCK_TIMEOUT_MS,
    maxCacheBytes = DEFAULT_MAX_CACHE_BYTES,
    now = Date.now,
  } = options;
  let opening: Promise<OpenedFacts> | undefined;
  let isClosed = false;

  async function getOpened(): Promise<OpenedFacts> {
    if (isClosed)
      throw new NightshiftError("DATA_UNAVAILABLE", "This memory is closed: Nightshift is stopping.");
    opening ??= openFactsDatabase(options, lockTimeoutMs).then((database) => {
      const cache = createFactCache(database, now, maxCacheBytes);
      const writeQueue = createWriteQueue(database);
      const { embedder, onEmbedderFailure: onFailure = () => {} } = options;
      const waitingCache: Pick<FactCache, "read"> = {
        read: (userKey, use) => whileBusy(lockTimeoutMs, () => cache.read(userKey, use)),
      };
      const meaning =
        embedder &&
        createMeaning({ embedder, read: database.read, cache: waitingCache, writeQueue, onFailure });
      return { database, cache, writeQueue, meaning };
    });
    try {
      return await opening;
    } catch (error) {
      opening = undefined;
      throw error;
    }
  }

  return {
    open(userKey) {
      assertUserKey(userKey);
      return openStore(userKey, { getOpened, now, limits: options.limits, lockTimeoutMs });
    },
    async close() {
      isClosed = true;
      const opened = await opening?.catch(() => undefined);
      await opened?.meaning?.close();
      await opened?.writeQueue.drain();
      await opened?.database.close();
      opening = undefined;
    },
  };
}

const openFactsDatabase = (
  location: FileLocation | PostgresLocation,
  lockTimeoutMs: number,
): Promise<FactsDatabase> =>
  "file" in location
    ? openFactsFile(location.file, lockTimeoutMs)
    : openFactsPostgres(location, lockTimeoutMs);

interface StoreDeps {
  readonly limits: FactLimits;
  readonly now: () => number;
  readonly lockTimeoutMs: number;
  getOpened(): Promise<OpenedFacts>;
}

type Change<T> = (transaction: Transaction, entry: CacheEntry) => Promise<T>;

function openStore(userKey: string, { getOpened, now, limits, lockTimeoutMs }: StoreDeps): FactStore {
  let isSweeping = false;

  async function read<T>(use: (userFacts: UserFacts, vectors: UserVectors) => T | Promise<T>): Promise<T> {
    const { cache } = await getOpened();
    const { result, hasExpired } = await whileBusy(lockTimeoutMs, () =>
      cache.read(userKey, async (userFacts, vectors) => ({
        result: await use(userFacts, vectors),
        hasExpired: userFacts.expired.size > 0,
      })),
    );
    if (hasExpired && !isSweeping) void sweepLater();
    return result;
  }

  /** Deletes expired facts in the background. When it fails, the next write or read does it. */
  async function sweepLater(): Promise<void> {
    isSweeping = true;
    await write(async () => {}).catch(() => {});
    isSweeping = false;
  }

  /** Loads a large memory before a write takes the lock, so that other writers need not wait for it. */
  const load = () => read(() => {});

  async function write<T>(change: Change<T>): Promise<T> {
    const { cache, writeQueue } = await getOpened();
    return writeQueue.run(userKey, (transaction) =>
      cache.write(userKey, transaction, async (entry) => {
        const result = await change(transaction, entry);
        await sweepExpired(userKey, transaction, entry);
        return result;
      }),
    );
  }

  return {
    async save(fact) {
      checkNewFact(fact, limits);
      await load();
      const saved = await write((transaction, entry) =>
        insertFact(userKey, fact, { transaction, entry, limits, now }),
      );
      (await getOpened()).meaning?.fill(userKey);
      return saved;
    },
    async recall(query, { limit = DEFAULT_RECALL_LIMIT, tags = [] } = {}) {
      const { meaning } = await getOpened();
      const vector = await meaning?.vectorOf(userKey, query);
      return read(async (userFacts, vectors) =>
        userFacts.recall(query, limit, tags, vector && (await vectors.compare(vector))),
      );
    },
    async list({ limit = DEFAULT_PAGE_LIMIT, cursor } = {}) {
      const { database } = await getOpened();
      const cursors = createCursors(database.cursorSecret, userKey);
      const position = cursor === undefined ? Number.POSITIVE_INFINITY : cursors.decode(cursor);
      const { facts, hasMore } = await read((userFacts) => userFacts.page(position, limit));
      const last = facts.at(-1);
      return {
        facts: facts.map(toFact),
        ...(hasMore && last && { nextCursor: cursors.encode(last.position) }),
      };
    },
    async get(factId) {
      const fact = await read((userFacts) => userFacts.facts.get(factId));
      if (fact === undefined) throw factNotFound(factId);
      return toFact(fact);
    },
    async forget(factId) {
      await load();
      await write(async ({ keyv, query }, entry) => {
        if (!entry.userFacts.facts.has(factId)) throw factNotFound(factId);
        await keyv.delete(`${userKey}:${factId}`);
        entry.userFacts.remove([factId]);
        await noteOwnWrite(userKey, entry, query);
      });
    },
  };
}

interface SaveDeps {
  readonly transaction: Transaction;
  readonly entry: CacheEntry;
  readonly limits: FactLimits;
  readonly now: () => number;
}

async function insertFact(userKey: string, fact: NewFact, deps: SaveDeps): Promise<Saved> {
  const { transaction, entry, limits, now } = deps;
  const { userFacts } = entry;
  const known = userFacts.findDuplicate(fact.text);
  if (known !== undefined) {
    await changeFact(userKey, known, mergeAgain(known, fact, now()), deps);
    return { kind: "duplicate", factId: known.factId };
  }
  const tags = uniqueTags(fact.tags);
  checkRoom(userFacts.kept, bytesOf({ text: fact.text, tags }), limits);
  const createdAt = now();
  const expiry = expiryOf(createdAt, fact.expiresInDays);
  const factId = newFactId();
  const stored: StoredFact = {
    factId,
    text: fact.text,
    tags,
    createdAt,
    position: userFacts.nextPosition,
    ...expiry,
  };
  await transaction.keyv.set(`${userKey}:${factId}`, stored, ttlMsOf(stored));
  userFacts.add([stored], createdAt);
  await noteOwnWrite(userKey, entry, transaction.query, factId);
  return { kind: "saved", factId };
}

/** Stores `changed` in the place of `known`. Throws FACT_LIMIT_REACHED when it has too many bytes more. */
async function changeFact(
  userKey: string,
  known: StoredFact,
  changed: StoredFact | undefined,
  { transaction, entry, limits }: SaveDeps,
): Promise<void> {
  if (changed === undefined) return;
  const { kept } = entry.userFacts;
  const moreBytes = bytesOf(changed) - bytesOf(known);
  if (moreBytes > 0) checkRoom({ ...kept, facts: kept.facts - 1 }, moreBytes, limits);
  await transaction.keyv.set(`${userKey}:${known.factId}`, changed, ttlMsOf(changed));
  entry.userFacts.replace(changed);
  await noteOwnWrite(userKey, entry, transaction.query, known.factId);
}

/** Keyv counts from the machine's clock, and reads a ttl of 0 as no expiry. */
const ttlMsOf = ({ expiresAt }: StoredFact): number | undefined =>
  expiresAt === undefined ? undefined : expiresAt - Date.now() || 1;

/** Deletes the rows of expired facts, in the transaction of another write. */
async function sweepExpired(userKey: string, { keyv, query }: Transaction, entry: CacheEntry): Promise<void> {
  const { userFacts } = entry;
  if (userFacts.expired.size === 0) return;
  const keys = [...userFacts.expired].map((factId) => `${userKey}:${factId}`);
  for (let i = 0; i < keys.length; i += MAX_DELETES_AT_ONCE) {
    await keyv.delete(keys.slice(i, i + MAX_DELETES_AT_ONCE));
  }
  userFacts.forgetExpired();
  await noteOwnWrite(userKey, entry, query);
}

function factNotFound(factId: string): NightshiftError {
  return new NightshiftError(
    "FACT_NOT_FOUND",
    "You have no fact with this id; list_facts shows the ones you have.",
    { factId },
  );
}
