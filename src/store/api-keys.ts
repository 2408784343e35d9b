import { hash as digest, randomBytes, timingSafeEqual } from "node:crypto";
import { isScope, type Scope } from "../context/scopes.ts";
import type { Database } from "../database/database.ts";
import type { KeyRow } from "../database/schema.ts";
import { NightshiftError } from "../errors.ts";

/** `nsk_<id>_<secret>`: the id finds the row, the 256 secret bits prove the holder. */
const KEY = /^nsk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
const MAX_CACHED = 10_000;
/** How long a key that was good goes on being good, at most, while the database cannot be asked about it. */
const GRACE_MS = 30_000;

// A fast hash is right here: the secret is random, so there is nothing to guess.
const hashOf = (secret: string): Buffer => digest("sha256", secret, "buffer");

interface KnownKey {
  readonly apiKey: ApiKey;
  readonly hash: Buffer;
  /** Of the database when it was read: it is as new as that. */
  readonly version: number;
  readonly readAt: number;
}

/** The keys in the jobs database. Rows are remembered until somebody, here or in another process, writes to it. */
export function openKeyRing(db: Database, now: () => number): KeyRing {
  const known = new Map<string, KnownKey>();
  let isUsed = false;
  /** Our own writes do not change our own dataVersion. */
  let ownWrites = 0;
  let seenVersion = db.dataVersion();
  let lookedAt = 0;
  const versionNow = () => {
    // Requests that arrive within the same millisecond share a look.
    if (performance.now() - lookedAt >= 1) {
      lookedAt = performance.now();
      seenVersion = db.dataVersion();
    }
    return seenVersion + ownWrites;
  };
  const find = async (keyId: string): Promise<KnownKey | null> => {
    const version = versionNow();
    const remembered = known.get(keyId);
    if (remembered?.version === version) return remembered;
    const readAt = performance.now();
    try {
      const row = await db.kysely
        .selectFrom("api_keys")
        .selectAll()
        .where("key_id", "=", keyId)
        .executeTakeFirst();
      known.delete(keyId);
      if (!row) return null;
      if (known.size >= MAX_CACHED) known.clear();
      const found = { apiKey: readKey(row), hash: Buffer.from(row.hash, "hex"), version, readAt };
      known.set(keyId, found);
      return found;
    } catch (error) {
      // What its holder can do meanwhile needs no database either.
      if (remembered && isAway(error) && readAt - remembered.readAt < GRACE_MS) return remembered;
      throw error;
    }
  };
  const isGood = ({ apiKey }: KnownKey) =>
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

const isAway = (error: unknown) => error instanceof NightshiftError && error.code === "DATA_UNAVAILABLE";

const readKey = (row: KeyRow): ApiKey => ({
  keyId: row.key_id,
  userId: row.user_id,
  scopes: row.scopes.split(" ").filter(isScope),
  createdAt: Number(row.created_at),
  expiresAt: row.expires_at === null ? null : Number(row.expires_at),
  revokedAt: row.revoked_at === null ? null : Number(row.revoked_at),
});

/** An API key as it is stored: its secret is not in it, only a hash beside it that nobody is shown. Times are epoch ms. */
export interface ApiKey {
  readonly keyId: string;
  readonly userId: string;
  readonly scopes: readonly Scope[];
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
}

/** The keys of this installation: for the transport that checks them, and for the operator's command line. */
export interface KeyRing {
  /** Makes a key for the user. The secret is in the answer and nowhere else, ever. */
  create(options: {
    userId: string;
    scopes: readonly Scope[];
    expiresAt: number | null;
  }): Promise<{ key: string; apiKey: ApiKey }>;
  /** Newest first. */
  list(userId?: string): Promise<readonly ApiKey[]>;
  /** False when there is no such key. A key that is revoked already stays so. */
  revoke(keyId: string): Promise<boolean>;
  /** The key behind a presented secret, when it is good now. Costs the same time whether the id or the secret is wrong. */
  verify(key: string): Promise<ApiKey | undefined>;
  /** Whether a key that was good is still good: revoked in another process counts at once, on another node as soon as it hears of it. */
  isGood(keyId: string): Promise<boolean>;
  /** Whether any key was ever made: from then on callers must present one. */
  isUsed(): Promise<boolean>;
}
