import { NightshiftError } from "../errors.ts";
import { createCursors } from "./cursor.ts";
import type { FactsDatabase } from "./database.ts";
import { whileBusy } from "./failures.ts";
import type { Memory } from "./memory.ts";
import { openFactsPostgres, type PostgresPlace } from "./postgres.ts";
import {
  assertUserKey,
  bytesOf,
  checkNewFact,
  checkRoom,
  expiryOf,
  newFactId,
  type StoredFact,
  toFact,
  uniqueTags,
} from "./rules.ts";
import { openFactsFile } from "./sqlite.ts";
import type { FactBackend, FactLimits, FactStore, NewFact, Saved } from "./store.ts";
import { type Copy, noteOwnWrite } from "./sync.ts";
import { createUsers, type Users } from "./users.ts";
import { createWrites, type Transaction, type Writes } from "./writes.ts";

const DEFAULT_PATIENCE_MS = 5_000;
const DEFAULT_MAX_CACHE_BYTES = 128 * 1024 * 1024;
const DEFAULT_RECALL_LIMIT = 10;
const DEFAULT_PAGE_LIMIT = 50;
/** Keyv's adapter compares every key with every row it finds. */
const MAX_DELETES_AT_ONCE = 200;

export type KeyvFactsOptions = FactsOptions & (FilePlace | PostgresPlace);

interface FilePlace {
  /** Path of facts.sqlite; its folder must exist. */
  readonly file: string;
}

interface FactsOptions {
  readonly limits: FactLimits;
  /** Epoch ms. Default `Date.now`. */
  readonly clock?: () => number;
  /** How long a lock, a free connection or a server that starts again is waited for. Default 5,000 ms. */
  readonly patienceMs?: number;
  /** Memory for copies of users' facts, over all users. Default 128 MiB; the least recently used go first. */
  readonly maxCacheBytes?: number;
}

interface Opened {
  readonly database: FactsDatabase;
  readonly users: Users;
  readonly writes: Writes;
}

/**
 * Facts in one SQLite file or one Postgres database, through Keyv, under `<userKey>:<factId>`. Several processes may
 * share either. Nothing is opened or loaded before the first call of a store; what could not be opened is tried
 * again then.
 */
export function openKeyvFacts(options: KeyvFactsOptions): FactBackend {
  const {
    patienceMs = DEFAULT_PATIENCE_MS,
    maxCacheBytes = DEFAULT_MAX_CACHE_BYTES,
    clock = Date.now,
  } = options;
  let opening: Promise<Opened> | undefined;
  let isClosed = false;

  async function getOpened(): Promise<Opened> {
    if (isClosed)
      throw new NightshiftError("DATA_UNAVAILABLE", "This memory is closed: Nightshift is stopping.");
    opening ??= openPlace(options, patienceMs).then((database) => ({
      database,
      users: createUsers(database, clock, maxCacheBytes),
      writes: createWrites(database),
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
      return openStore(userKey, { getOpened, clock, limits: options.limits, patienceMs });
    },
    async close() {
      isClosed = true;
      const opened = await opening?.catch(() => undefined);
      await opened?.writes.drain();
      await opened?.database.close();
      opening = undefined;
    },
  };
}

const openPlace = (place: FilePlace | PostgresPlace, patienceMs: number): Promise<FactsDatabase> =>
  "file" in place ? openFactsFile(place.file, patienceMs) : openFactsPostgres(place, patienceMs);

interface Ground {
  readonly limits: FactLimits;
  readonly clock: () => number;
  readonly patienceMs: number;
  getOpened(): Promise<Opened>;
}

type Change<T> = (transaction: Transaction, copy: Copy) => Promise<T>;

function openStore(userKey: string, { getOpened, clock, limits, patienceMs }: Ground): FactStore {
  let isSweeping = false;

  async function read<T>(use: (memory: Memory) => T): Promise<T> {
    const { users } = await getOpened();
    const { result, hasExpired } = await whileBusy(patienceMs, () =>
      users.read(userKey, (memory) => ({ result: use(memory), hasExpired: memory.expired.size > 0 })),
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
    const { users, writes } = await getOpened();
    return writes.run(userKey, (transaction) =>
      users.write(userKey, transaction, async (copy) => {
        const result = await change(transaction, copy);
        await sweepExpired(userKey, transaction, copy);
        return result;
      }),
    );
  }

  return {
    async save(fact) {
      checkNewFact(fact, limits);
      // Loads a large memory before the lock is taken, so that other writers don't wait for it.
      await read(() => {});
      return write((transaction, copy) => saveFact(userKey, fact, { transaction, copy, limits, clock }));
    },
    recall: (query, { limit = DEFAULT_RECALL_LIMIT, tags = [] } = {}) =>
      read((memory) => memory.recall(query, limit, tags)),
    async list({ limit = DEFAULT_PAGE_LIMIT, cursor } = {}) {
      const { database } = await getOpened();
      const cursors = createCursors(database.cursorSecret, userKey);
      const position = cursor === undefined ? Number.POSITIVE_INFINITY : cursors.decode(cursor);
      const { facts, hasMore } = await read((memory) => memory.page(position, limit));
      const last = facts.at(-1);
      return {
        facts: facts.map(toFact),
        ...(hasMore && last && { nextCursor: cursors.encode(last.position) }),
      };
    },
    async get(factId) {
      const fact = await read((memory) => memory.facts.get(factId));
      if (fact === undefined) throw notFound(factId);
      return toFact(fact);
    },
    forget: (factId) =>
      write(async ({ keyv, query }, copy) => {
        if (!copy.memory.facts.has(factId)) throw notFound(factId);
        await keyv.delete(`${userKey}:${factId}`);
        copy.memory.remove([factId]);
        await noteOwnWrite(userKey, copy, query);
      }),
  };
}

interface SaveGround {
  readonly transaction: Transaction;
  readonly copy: Copy;
  readonly limits: FactLimits;
  readonly clock: () => number;
}

async function saveFact(userKey: string, fact: NewFact, ground: SaveGround): Promise<Saved> {
  const { transaction, copy, limits, clock } = ground;
  const { memory } = copy;
  const known = memory.findDuplicate(fact.text);
  if (known !== undefined) return { kind: "duplicate", factId: known };
  const tags = uniqueTags(fact.tags);
  checkRoom(memory.kept, bytesOf({ text: fact.text, tags }), limits);
  const createdAt = clock();
  const expiry = expiryOf(createdAt, fact.expiresInDays);
  const factId = newFactId();
  const stored: StoredFact = {
    factId,
    text: fact.text,
    tags,
    createdAt,
    position: memory.nextPosition,
    ...expiry,
  };
  // Keyv counts from the machine's clock and takes a ttl of 0 for none.
  const ttlMs = expiry.expiresAt === undefined ? undefined : expiry.expiresAt - Date.now() || 1;
  await transaction.keyv.set(`${userKey}:${factId}`, stored, ttlMs);
  memory.add([stored], createdAt);
  await noteOwnWrite(userKey, copy, transaction.query, factId);
  return { kind: "saved", factId };
}

/** Deletes the rows of expired facts with a write that happens anyway. */
async function sweepExpired(userKey: string, { keyv, query }: Transaction, copy: Copy): Promise<void> {
  const { memory } = copy;
  if (memory.expired.size === 0) return;
  const keys = [...memory.expired].map((factId) => `${userKey}:${factId}`);
  for (let i = 0; i < keys.length; i += MAX_DELETES_AT_ONCE) {
    await keyv.delete(keys.slice(i, i + MAX_DELETES_AT_ONCE));
  }
  memory.forgetExpired();
  await noteOwnWrite(userKey, copy, query);
}

function notFound(factId: string): NightshiftError {
  return new NightshiftError(
    "FACT_NOT_FOUND",
    "You have no fact with this id; list_facts shows the ones you have.",
    { factId },
  );
}
