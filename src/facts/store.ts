/** One remembered sentence of one user. */
export interface Fact {
  readonly factId: string;
  readonly text: string;
  readonly tags: readonly string[];
  /** Epoch ms. */
  readonly createdAt: number;
  /** Epoch ms; the fact is gone from then on. */
  readonly expiresAt?: number;
}

export interface NewFact {
  readonly text: string;
  readonly tags?: readonly string[];
  readonly expiresInDays?: number;
}

export type Saved = { readonly kind: "saved" | "duplicate"; readonly factId: string };

export interface RecalledFact extends Fact {
  /** Higher is better; 1 is the best match of this answer. Depends on this user's facts alone. */
  readonly score: number;
}

export interface FactPage {
  readonly facts: readonly Fact[];
  readonly nextCursor?: string;
}

/**
 * One user's memory. It is bound to its user when it is opened: no method takes a user, so none can be handed
 * the wrong one. Every method rejects with DATA_UNAVAILABLE when the storage cannot be reached.
 */
export interface FactStore {
  /**
   * Resolves once the fact is durable. Text that is the same but for white space, width and the encoding of accents
   * is a `duplicate` and answers with the first one's id; that fact gets the tags that it lacks, and the later expiry
   * of the two (none is the latest). Rejects with FACT_EMPTY, FACT_TOO_LARGE or
   * FACT_LIMIT_REACHED; the limits hold exactly, whoever else is saving.
   */
  save(fact: NewFact): Promise<Saved>;
  /** This user's facts that answer `query`, best first, with all of `tags`. No match is an empty list. */
  recall(
    query: string,
    options?: { limit?: number; tags?: readonly string[] },
  ): Promise<readonly RecalledFact[]>;
  /** Newest first. Rejects with CURSOR_INVALID for a cursor that this user was not given. */
  list(options?: { limit?: number; cursor?: string }): Promise<FactPage>;
  /** Rejects with FACT_NOT_FOUND, the same for absent and for somebody else's. */
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

/** Process-wide: opens the memory of one user at a time. Holds no user's state that another could reach. */
export interface FactBackend {
  open(userKey: string): FactStore;
  close(): Promise<void>;
}
