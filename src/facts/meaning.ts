import { setTimeout as wait } from "node:timers/promises";
import { backoff } from "../async.ts";
import { NightshiftError } from "../errors.ts";
import { type FactCache, forSlices } from "./cache.ts";
import type { Query } from "./database.ts";
import type { Embedder } from "./embedder.ts";
import type { StoredFact } from "./rules.ts";
import type { UserFacts } from "./user-facts.ts";
import { NO_VECTOR, toVector, type UserVectors, type Vector } from "./vectors.ts";
import type { WriteQueue } from "./write-queue.ts";

/** Texts of one call. */
const MAX_TEXTS = 16;
/** Of a longer text the beginning counts: many models take about 500 tokens. */
const MAX_TEXT_CHARS = 2_000;
const CALL_TIMEOUT_MS = 30_000;
/** A recall waits so long for its query's vector, and then goes without it. */
const QUERY_TIMEOUT_MS = 3_000;
/** After a failure the provider is left alone for a while, longer with each failure in a row. */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 300_000;
const pauseMs = backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
/** Reading vectors of so many characters takes about 1 ms. */
const SLICE_CHARS = 512 * 1024;
/** What a provider says to a text that it does not take. */
const REFUSALS: ReadonlySet<unknown> = new Set([400, 413, 422]);

const NEW_VECTORS = `SELECT substr(key, 66) AS id, rowid AS "rowId", value FROM fact_vectors
  WHERE key >= $1 || ':' AND key < $1 || ';' AND +rowid > $2 AND model = $3`;
const DELETE_VECTOR = "DELETE FROM fact_vectors WHERE key = $1";
/** The fact may be forgotten by now. */
const INSERT_VECTOR = `INSERT INTO fact_vectors (key, model, value)
  SELECT CAST($1 AS text), CAST($2 AS text), CAST($3 AS text)
  WHERE EXISTS (SELECT 1 FROM keyv WHERE key = CAST($1 AS text))`;

/** The vectors of all users' facts. They are made in the background, for one user at a time. */
export interface Meaning {
  /** Has the missing vectors of a user's facts made. */
  fill(userKey: string): void;
  /**
   * Resolves to the vector of a query, with at most one call to the provider. Undefined when the user's facts have no
   * vectors, or when the provider is away. Never rejects because of the provider.
   */
  vectorOf(userKey: string, query: string): Promise<Vector | undefined>;
  close(): Promise<void>;
}

export interface MeaningOptions {
  readonly embedder: Embedder;
  readonly read: Query;
  readonly cache: Pick<FactCache, "read">;
  readonly writeQueue: WriteQueue;
  /** Called with the error code and, when it is known, the HTTP status: of the first failure in a row, and of a refusal. */
  readonly onFailure: (failure: { code: string; status?: unknown }) => void;
}

export function createMeaning(options: MeaningOptions): Meaning {
  const { embedder, read, cache, writeQueue, onFailure } = options;
  const closing = new AbortController();
  const waiting = new Set<string>();
  let isWorking = false;
  let working: Promise<void> | undefined;
  /** By user, so that a text on which the provider fails holds up its own user alone. */
  const pauses = new Map<string, { readonly failures: number; isOver: boolean }>();
  let isToldOfFailure = false;
  let isToldOfRefusal = false;
  const isPaused = (userKey: string) => pauses.get(userKey)?.isOver === false;

  async function embed(texts: readonly string[], timeoutMs: number): Promise<Vector[]> {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]);
    const cut = texts.map((text) => text.slice(0, MAX_TEXT_CHARS));
    const vectors = (await embedder.embed(cut, signal)).map(toVector);
    if (vectors.length !== texts.length)
      throw new NightshiftError("MODEL_FAILED", "The embedding model gave another number of vectors.");
    isToldOfFailure = false;
    return vectors;
  }

  /** Asks for each text alone when they are refused together. */
  async function embedEach(texts: readonly string[]): Promise<Vector[]> {
    try {
      return await embed(texts, CALL_TIMEOUT_MS);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (texts.length === 1) {
        if (!isToldOfRefusal) tell(error);
        isToldOfRefusal = true;
        return [NO_VECTOR];
      }
      const vectors: Vector[] = [];
      for (const text of texts) vectors.push(...(await embedEach([text])));
      return vectors;
    }
  }

  function tell(error: unknown): void {
    const { code = "MODEL_FAILED", data } = error as { code?: string; data?: { http_status?: unknown } };
    // Without the message: a provider may repeat what it was sent.
    onFailure({ code, status: data?.http_status });
  }

  /** Leaves the provider alone for this user for a while, and then fills again. */
  function pause(userKey: string, error: unknown): void {
    if (closing.signal.aborted) return;
    const failures = (pauses.get(userKey)?.failures ?? 0) + 1;
    const begun = { failures, isOver: false };
    pauses.set(userKey, begun);
    const end = () => {
      begun.isOver = true;
      fill(userKey);
    };
    void wait(pauseMs(failures), undefined, { signal: closing.signal, ref: false }).then(end, () => {});
    if (!isToldOfFailure) tell(error);
    isToldOfFailure = true;
  }

  /** Makes some missing vectors of a user. Resolves to true when none is missing. */
  async function fillSome(userKey: string): Promise<boolean> {
    const missing = await cache.read(userKey, async (userFacts, vectors) => {
      await follow(userKey, userFacts, vectors);
      return someWithout(userFacts, vectors);
    });
    if (missing.length === 0) return true;
    const made = await embedEach(missing.map(({ text }) => text));
    pauses.delete(userKey);
    await writeQueue.run(userKey, async ({ query }) => {
      for (const [i, { factId }] of missing.entries()) {
        const vector = made[i] as Vector;
        if (vector === NO_VECTOR) continue;
        await query(DELETE_VECTOR, `${userKey}:${factId}`);
        await query(INSERT_VECTOR, `${userKey}:${factId}`, embedder.model, toText(vector));
      }
    });
    await cache.read(userKey, (userFacts, vectors) => {
      for (const [i, { factId }] of missing.entries())
        if (userFacts.facts.has(factId)) vectors.set(factId, made[i] as Vector);
    });
    return false;
  }

  /** Reads the vectors that were stored since the last time, here or by another process. */
  async function follow(userKey: string, userFacts: UserFacts, vectors: UserVectors): Promise<void> {
    const { facts, version } = userFacts;
    if (vectors.version !== version) vectors.keep(facts);
    vectors.version = version;
    if (vectors.size === facts.size) return;
    const rows = await read<VectorRow>(NEW_VECTORS, userKey, vectors.rowId, embedder.model);
    const take = (slice: readonly VectorRow[]) => {
      for (const { id, rowId, value } of slice) {
        if (facts.has(id)) vectors.set(id, new Int8Array(Buffer.from(value, "base64")));
        vectors.rowId = Math.max(vectors.rowId, rowId);
      }
    };
    await forSlices(rows, ({ value }) => value.length, take, SLICE_CHARS);
  }

  async function work(): Promise<void> {
    isWorking = true;
    for (const userKey of waiting) {
      waiting.delete(userKey);
      if (closing.signal.aborted || isPaused(userKey)) continue;
      try {
        // The others are served before the rest of this one.
        if (!(await fillSome(userKey))) waiting.add(userKey);
      } catch (error) {
        pause(userKey, error);
      }
    }
    isWorking = false;
  }

  function fill(userKey: string): void {
    if (closing.signal.aborted) return;
    waiting.add(userKey);
    if (!isWorking) working = work();
  }

  return {
    fill,
    async vectorOf(userKey, whole) {
      const query = whole.slice(0, MAX_TEXT_CHARS);
      const known = await cache.read(userKey, async (userFacts, vectors) => {
        await follow(userKey, userFacts, vectors);
        if (vectors.size < userFacts.facts.size) fill(userKey);
        return { isEmpty: vectors.size === 0, vector: vectors.queries.get(query) };
      });
      if (known.vector !== undefined || known.isEmpty || isPaused(userKey)) return known.vector;
      try {
        const [vector] = await embed([query], QUERY_TIMEOUT_MS);
        pauses.delete(userKey);
        if (vector === undefined || vector === NO_VECTOR) return undefined;
        await cache.read(userKey, (_userFacts, vectors) => vectors.queries.set(query, vector));
        return vector;
      } catch (error) {
        if (!isRefusal(error)) pause(userKey, error);
        return undefined;
      }
    },
    async close() {
      closing.abort();
      await working;
    },
  };
}

interface VectorRow {
  readonly id: string;
  readonly rowId: number;
  readonly value: string;
}

const toText = (vector: Vector): string =>
  Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");

const isRefusal = (error: unknown): boolean =>
  error instanceof NightshiftError && REFUSALS.has(error.data?.http_status);

function someWithout({ facts }: UserFacts, vectors: UserVectors): StoredFact[] {
  const missing: StoredFact[] = [];
  if (vectors.size >= facts.size) return missing;
  for (const fact of facts.values()) {
    if (vectors.has(fact.factId)) continue;
    missing.push(fact);
    if (missing.length === MAX_TEXTS) break;
  }
  return missing;
}
