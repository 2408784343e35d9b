/** One remembered sentence of one user. */
export interface Fact {
  readonly factId: string;
  readonly text: string;
  readonly tags: readonly string[];
  /** Epoch ms. */
  readonly createdAt: number;
  /** Epoch ms. The fact is gone from then on. */
  readonly expiresAt?: number;
}

export interface NewFact {
  readonly text: string;
  readonly tags?: readonly string[];
  readonly expiresInDays?: number;
}

export type Saved = { readonly kind: "saved" | "duplicate"; readonly factId: string };

export interface RecalledFact extends Fact {
  /** From 0 to 1, which is the best match of this result. Depends on this user's facts alone. */
  readonly score: number;
}

interface FactPage {
  readonly facts: readonly Fact[];
  readonly nextCursor?: string;
}

/**
 * One user's memory. It is bound to its user when it is opened: no method takes a user, so none can be given the wrong
 * one. Every method rejects with DATA_UNAVAILABLE when the storage cannot be reached.
 */
export interface FactStore {
  /**
   * Resolves once the fact is durable. Text that differs at most in white space, letter width, the encoding of accents
   * and the case of words is a `duplicate`: it resolves to the first one's id, which gets the tags that it lacks and the
   * later expiry of the two (none is later than any). Words with a number or with a capital after a small letter may be
   * codes, so their case counts. Rejects with FACT_EMPTY, FACT_TOO_LARGE or FACT_LIMIT_REACHED; the limits hold exactly,
   * whoever else is saving.
   */
  save(fact: NewFact): Promise<Saved>;
  /**
   * Resolves to this user's facts that match `query` and have all of `tags`, best first. No match is an empty list. With
   * an embedder, a fact matches by its meaning too.
   */
  recall(
    query: string,
    options?: { limit?: number; tags?: readonly string[] },
  ): Promise<readonly RecalledFact[]>;
  /** Resolves to a page, newest first. Rejects with CURSOR_INVALID for a cursor that this user was not given. */
  list(options?: { limit?: number; cursor?: string }): Promise<FactPage>;
  /** Rejects with FACT_NOT_FOUND, whether the fact is absent or belongs to another user. */
  get(factId: string): Promise<Fact>;
  /** Rejects with FACT_NOT_FOUND. */
  forget(factId: string): Promise<void>;
}

export interface FactLimits {
  /** Facts a user may keep. */
  readonly maxFacts: number;
  /** UTF-8 bytes of fact texts and tags a user may keep in all. */
  readonly maxBytes: number;
  /** UTF-8 bytes of one fact's text. */
  readonly maxFactBytes: number;
}

/** One for the process. Opens the memory of one user at a time, and gives no user access to that of another. */
export interface FactBackend {
  open(userKey: string): FactStore;
  close(): Promise<void>;
}
