import { NightshiftError } from "../errors.ts";
import { type CachedFacts, createFactCache, type FactCache, noteOwnWrite } from "./cache.ts";
import { createCursors } from "./cursor.ts";
import type { FactsDatabase } from "./database.ts";
import { whileBusy } from "./failures.ts";
import { openFactsPostgres, type PostgresLocation } from "./postgres.ts";
import {
  assertUserKey,
  bytesOf,
  checkMoreBytes,
  checkNewFact,
  checkRoom,
  expiryOf,
  laterExpiry,
  newFactId,
  type StoredFact,
  toFact,
  uniqueTags,
} from "./rules.ts";
import { openFactsFile } from "./sqlite.ts";
import type { FactBackend, FactLimits, FactStore, NewFact, Saved } from "./store.ts";
import type { UserFacts } from "./user-facts.ts";
import { createWriteQueue, type Transaction, type WriteQueue } from "./write-queue.ts";

const DEFAULT_LOCK_TIMEOUT_MS = 5_000;
const DEFAULT_MAX_CACHE_BYTES = 128 * 1024 * 1024;
const DEFAULT_RECALL_LIMIT = 10;
const DEFAULT_PAGE_LIMIT = 50;
/** Keyv's adapter compares every key with every row it finds. */
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
  /** How long a lock, a free connection or a server that starts again is waited for. Default 5,000 ms. */
  readonly lockTimeoutMs?: number;
  /** Memory for copies of users' facts, over all users. Default 128 MiB; the least recently used go first. */
  readonly maxCacheBytes?: number;
}

interface Opened {
  readonly database: FactsDatabase;
  readonly cache: FactCache;
  readonly writeQueue: WriteQueue;
}

/**
 * Facts in one SQLite file or one Postgres database, through Keyv, under `<userKey>:<factId>`. Several processes may
 * share either. Nothing is opened or loaded before the first call of a store; what could not be opened is tried
 * again then.
 */
export function openKeyvFacts(options: KeyvFactsOptions): FactBackend {
  const {
    lockTimeoutMs = DEFAULT_LOCK_TIMEOUT_MS,
    maxCacheBytes = DEFAULT_MAX_CACHE_BYTES,
    now = Date.now,
  } = options;
  let opening: Promise<Opened> | undefined;
  let isClosed = false;

  async function getOpened(): Promise<Opened> {
    if (isClosed)
      throw new NightshiftError("DATA_UNAVAILABLE", "This memory is closed: Nightshift is stopping.");
    opening ??= openDatabase(options, lockTimeoutMs).then((database) => ({
      database,
      cache: createFactCache(database, now, maxCacheBytes),
      writeQueue: createWriteQueue(database),
    }));
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
      await opened?.writeQueue.drain();
      await opened?.database.close();
      opening = undefined;
    },
  };
}

const openDatabase = (
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
  getOpened(): Promise<Opened>;
}

type Change<T> = (transaction: Transaction, cached: CachedFacts) => Promise<T>;

function openStore(userKey: string, { getOpened, now, limits, lockTimeoutMs }: StoreDeps): FactStore {
  let isSweeping = false;

  async function read<T>(use: (userFacts: UserFacts) => T): Promise<T> {
    const { cache } = await getOpened();
    const { result, hasExpired } = await whileBusy(lockTimeoutMs, () =>
      cache.read(userKey, (userFacts) => ({
        result: use(userFacts),
        hasExpired: userFacts.expired.size > 0,
      })),
    );
    if (hasExpired && !isSweeping) void sweepLater();
    return result;
  }

  /** In the background: nobody waits for it, and what fails is left to the next write or reader. */
  async function sweepLater(): Promise<void> {
    isSweeping = true;
    await write(async () => {}).catch(() => {});
    isSweeping = false;
  }

  async function write<T>(change: Change<T>): Promise<T> {
    const { cache, writeQueue } = await getOpened();
    return writeQueue.run(userKey, (transaction) =>
      cache.write(userKey, transaction, async (cached) => {
        const result = await change(transaction, cached);
        await sweepExpired(userKey, transaction, cached);
        return result;
      }),
    );
  }

  return {
    async save(fact) {
      checkNewFact(fact, limits);
      // Loads a large memory before the lock is taken, so that other writers don't wait for it.
      await read(() => {});
      return write((transaction, cached) => saveFact(userKey, fact, { transaction, cached, limits, now }));
    },
    recall: (query, { limit = DEFAULT_RECALL_LIMIT, tags = [] } = {}) =>
      read((userFacts) => userFacts.recall(query, limit, tags)),
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
      if (fact === undefined) throw notFound(factId);
      return toFact(fact);
    },
    forget: (factId) =>
      write(async ({ keyv, query }, cached) => {
        if (!cached.userFacts.facts.has(factId)) throw notFound(factId);
        await keyv.delete(`${userKey}:${factId}`);
        cached.userFacts.remove([factId]);
        await noteOwnWrite(userKey, cached, query);
      }),
  };
}

interface SaveDeps {
  readonly transaction: Transaction;
  readonly cached: CachedFacts;
  readonly limits: FactLimits;
  readonly now: () => number;
}

async function saveFact(userKey: string, fact: NewFact, deps: SaveDeps): Promise<Saved> {
  const { cached, limits, now } = deps;
  const { userFacts } = cached;
  const known = userFacts.facts.get(userFacts.findDuplicate(fact.text) ?? "");
  if (known !== undefined) {
    await saveAgain(userKey, known, fact, deps);
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
  await writeFact(userKey, stored, deps);
  return { kind: "saved", factId };
}

/** Adds the tags that a fact lacks, and lets it stay for as long as either save asked for. */
async function saveAgain(userKey: string, known: StoredFact, again: NewFact, deps: SaveDeps): Promise<void> {
  const { transaction, cached, limits, now } = deps;
  const tags = uniqueTags([...known.tags, ...(again.tags ?? [])]);
  const { expiresAt: knownExpiry, ...rest } = known;
  const expiry = laterExpiry(known, expiryOf(now(), again.expiresInDays));
  if (tags.length === known.tags.length && expiry.expiresAt === knownExpiry) return;
  const stored = { ...rest, tags, ...expiry };
  checkMoreBytes(cached.userFacts.kept, bytesOf(stored) - bytesOf(known), limits);
  // Deleted first: other nodes look for rows that are new.
  await transaction.keyv.delete(`${userKey}:${known.factId}`);
  await writeFact(userKey, stored, deps);
}

async function writeFact(userKey: string, stored: StoredFact, deps: SaveDeps): Promise<void> {
  const { transaction, cached, now } = deps;
  // Keyv counts from the machine's clock and takes a ttl of 0 for none.
  const ttlMs = stored.expiresAt === undefined ? undefined : stored.expiresAt - Date.now() || 1;
  await transaction.keyv.set(`${userKey}:${stored.factId}`, stored, ttlMs);
  cached.userFacts.add([stored], now());
  await noteOwnWrite(userKey, cached, transaction.query, stored.factId);
}

/** Deletes the rows of expired facts with a write that happens anyway. */
async function sweepExpired(
  userKey: string,
  { keyv, query }: Transaction,
  cached: CachedFacts,
): Promise<void> {
  const { userFacts } = cached;
  if (userFacts.expired.size === 0) return;
  const keys = [...userFacts.expired].map((factId) => `${userKey}:${factId}`);
  for (let i = 0; i < keys.length; i += MAX_DELETES_AT_ONCE) {
    await keyv.delete(keys.slice(i, i + MAX_DELETES_AT_ONCE));
  }
  userFacts.forgetExpired();
  await noteOwnWrite(userKey, cached, query);
}

function notFound(factId: string): NightshiftError {
  return new NightshiftError(
    "FACT_NOT_FOUND",
    "You have no fact with this id; list_facts shows the ones you have.",
    { factId },
  );
}
