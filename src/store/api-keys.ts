import { hash as digest, randomBytes, timingSafeEqual } from "node:crypto";
import { isScope, type Scope } from "../context/scopes.ts";
import type { Database } from "../database/database.ts";
import type { KeyRow } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";

/** `nsk_<id>_<secret>`: the id finds the row, the 256 secret bits prove the holder. */
const KEY = /^nsk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
const MAX_CACHED_KEYS = 10_000;
/** For this long the version of the database is not read again: a revocation by another process is seen so much later. */
const VERSION_MS = 20;
/** With more keys than this, an id that is not cached costs a query. */
const MAX_KNOWN_IDS = 100_000;
/** Ids of this age are read again for an id that is not among them: word of another node's new key may be under way. */
const KNOWN_IDS_MS = 1_000;
/** How long keys that were valid are still accepted, from when the database could no longer be reached. */
const OUTAGE_GRACE_MS = 30_000;

// A fast hash is safe here: the secret is random, so it cannot be guessed.
const hashOf = (secret: string): Buffer => digest("sha256", secret, "buffer");

interface CachedKey {
  readonly apiKey: ApiKey;
  readonly hash: Buffer;
  /** The database's version when the row was read. The entry is current while that has not changed. */
  readonly version: number;
}

/** The keys in the jobs database. Rows are cached until anybody, in this process or another, writes to it. */
export function openKeyRing(db: Database, now: () => number): KeyRing {
  const cache = new Map<string, CachedKey>();
  let isUsed = false;
  /** Counted here, because a process's own writes do not change its `dataVersion`. */
  let ownWrites = 0;
  let seenVersion = db.dataVersion();
  let checkedAt = 0;
  /** The start of the first look that failed since one went well, by `performance.now()`. */
  let failingSince: number | undefined;
  const versionNow = () => {
    const at = performance.now();
    if (at - checkedAt >= VERSION_MS) {
      checkedAt = at;
      seenVersion = db.dataVersion();
    }
    return seenVersion + ownWrites;
  };
  /** The ids of all keys when the database had that version. Undefined: not read yet, or that failed. */
  let known: KnownIds | undefined;
  /** False when there is no such key. However many ids somebody makes up, they cost one query a second. */
  const mayExist = async (keyId: string, version: number): Promise<boolean> => {
    if (known && known.version === version && (await known.ids)?.has(keyId)) return true;
    const readAt = performance.now();
    if (known?.version !== version || readAt - known.readAt >= KNOWN_IDS_MS)
      known = { version, readAt, ids: readIds(db) };
    const own = known;
    try {
      return (await own.ids)?.has(keyId) ?? true;
    } catch (error) {
      if (known === own) known = undefined;
      throw error;
    }
  };
  const find = async (keyId: string): Promise<CachedKey | null> => {
    const version = versionNow();
    const cached = cache.get(keyId);
    if (cached?.version === version) return cached;
    if (!cached && !(await mayExist(keyId, version))) return null;
    const askedAt = performance.now();
    try {
      const row = await db.kysely
        .selectFrom("api_keys")
        .selectAll()
        .where("key_id", "=", keyId)
        .executeTakeFirst();
      failingSince = undefined;
      cache.delete(keyId);
      if (!row) return null;
      if (cache.size >= MAX_CACHED_KEYS) cache.clear();
      const found = { apiKey: readKey(row), hash: Buffer.from(row.hash, "hex"), version };
      cache.set(keyId, found);
      return found;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      failingSince ??= askedAt;
      // Nobody may have looked at the beginning of the outage.
      const since = Math.min(failingSince, db.unreachableSince?.() ?? failingSince);
      // Without the database, the holder can do no more than what needs no database.
      if (cached && askedAt - since < OUTAGE_GRACE_MS) return cached;
      throw error;
    }
  };
  const isGood = ({ apiKey }: CachedKey) =>
    apiKey.revokedAt === null && (apiKey.expiresAt === null || apiKey.expiresAt > now());

  return {
    async create({ userId, scopes, expiresAt }) {
      const keyId = randomBytes(8).toString("hex");
      const secret = randomBytes(32).toString("base64url");
      const row: KeyRow = {
        key_id: keyId,
        user_id: userId,
        hash: hashOf(secret).toString("hex"),
        scopes: scopes.join(" "),
        created_at: now(),
        expires_at: expiresAt,
        revoked_at: null,
      };
      await db.transact((trx) => trx.insertInto("api_keys").values(row).execute(), { of: null });
      ownWrites++;
      return { key: `nsk_${keyId}_${secret}`, apiKey: readKey(row) };
    },
    async list(userId) {
      let query = db.kysely
        .selectFrom("api_keys")
        .selectAll()
        .orderBy("created_at", "desc")
        .orderBy("key_id");
      if (userId !== undefined) query = query.where("user_id", "=", userId);
      return (await query.execute()).map(readKey);
    },
    async revoke(keyId) {
      const found = await db.transact(
        (trx) =>
          trx
            .updateTable("api_keys")
            .set((eb) => ({ revoked_at: eb.fn.coalesce("revoked_at", eb.val(now())) }))
            .where("key_id", "=", keyId)
            .executeTakeFirst(),
        { of: null },
      );
      ownWrites++;
      return found.numUpdatedRows > 0n;
    },
    async verify(key) {
      const [, keyId, secret] = KEY.exec(key) ?? [];
      const hash = hashOf(secret ?? key);
      const found = keyId ? await find(keyId) : null;
      const isSecretRight = timingSafeEqual(hash, found?.hash ?? hashOf(""));
      return found && isSecretRight && isGood(found) ? found.apiKey : undefined;
    },
    async isGood(keyId) {
      const found = await find(keyId);
      return found !== null && isGood(found);
    },
    async isUsed() {
      if (isUsed) return true;
      const row = await db.kysely.selectFrom("api_keys").select("key_id").limit(1).executeTakeFirst();
      isUsed = row !== undefined;
      return isUsed;
    },
  };
}

interface KnownIds {
  readonly version: number;
  readonly readAt: number;
  readonly ids: Promise<ReadonlySet<string> | undefined>;
}

/** Undefined where there are too many to remember. */
async function readIds(db: Database): Promise<ReadonlySet<string> | undefined> {
  const rows = await db.kysely
    .selectFrom("api_keys")
    .select("key_id")
    .limit(MAX_KNOWN_IDS + 1)
    .execute();
  return rows.length > MAX_KNOWN_IDS ? undefined : new Set(rows.map(({ key_id }) => key_id));
}

const isUnavailable = (error: unknown) =>
  error instanceof NightshiftError && error.code === "DATA_UNAVAILABLE";

const readKey = (row: KeyRow): ApiKey => ({
  keyId: row.key_id,
  userId: row.user_id,
  scopes: row.scopes.split(" ").filter(isScope),
  createdAt: Number(row.created_at),
  expiresAt: row.expires_at === null ? null : Number(row.expires_at),
  revokedAt: row.revoked_at === null ? null : Number(row.revoked_at),
});

/** An API key without its secret, of which only a hash is stored. Times are epoch ms. */
export interface ApiKey {
  readonly keyId: string;
  readonly userId: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

/** The keys of this installation, for the transport that checks them and for the operator's command line. */
export interface KeyRing {
  /**
   * Creates a key for the user. Only the returned `key` ever contains the secret. It is good at once on this node, and on
   * another that was asked for unknown keys just now when its notification has arrived there, or within a second.
   */
  create(options: {
    userId: string;
    scopes: readonly Scope[];
    expiresAt: number | null;
  }): Promise<{ key: string; apiKey: ApiKey }>;
  /** Resolves to the keys of the user, or of all users, newest first. */
  list(userId?: string): Promise<readonly ApiKey[]>;
  /** Resolves to false when there is no such key. A key that is revoked already stays so. */
  revoke(keyId: string): Promise<boolean>;
  /** Resolves to the key when it is valid now. Takes the same time whether the id or the secret is wrong. */
  verify(key: string): Promise<ApiKey | undefined>;
  /** Resolves to true while the key is valid. A revocation by another node counts once its notification has arrived. */
  isGood(keyId: string): Promise<boolean>;
  /** Resolves to true once a key was ever created. From then on callers must present one. */
  isUsed(): Promise<boolean>;
}
