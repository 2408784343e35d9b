import type { EntityMetadata, EntityType } from "./entity.ts";
import { SCOPES, type Scope } from "./scopes.ts";

/** A verified user: the `issuer` that vouches for the name, and the name (`subject`). */
export interface Principal {
  readonly issuer: string;
  readonly subject: string;
}

/** The frozen context of one connection, one request or one ghost run. Nothing in it can be set by a caller. */
export interface UserContext {
  /** The principal's subject: for people to read, never a key. */
  readonly userId: string;
  /** Hex SHA-256 of issuer and subject: every stored key and file name uses this. */
  readonly userKey: string;
  readonly entityType: EntityType;
  readonly sessionId: string;
  readonly threadId: string;
  readonly runId: string;
  readonly correlationId: string;
  /** Aborts when the connection, request or run ends. */
  readonly signal: AbortSignal;
  readonly metadata: EntityMetadata;
  /** The scopes of the credential behind this context. */
  readonly scopes: readonly Scope[];
}

/** The pair is hashed as JSON, so that `("a","b:c")` and `("a:b","c")` differ. Throws TypeError for an empty name. */
export function userKeyOf({ issuer, subject }: Principal): string {
  // A host program that forgot to look a name up must not give all its users one memory.
  if (typeof subject !== "string" || subject === "" || typeof issuer !== "string" || issuer === "")
    throw new TypeError("a principal needs an issuer and a subject");
  // Not imported: loading node:crypto takes a ghost's thread 3 ms, and threads are given their keys ready-made.
  const { createHash } = process.getBuiltinModule("node:crypto");
  return createHash("sha256")
    .update(JSON.stringify([issuer, subject]))
    .digest("hex");
}

/** A user whose key was made when they were verified. A ghost knows no more of the user it works for. */
export interface KnownUser {
  readonly userId: string;
  readonly userKey: string;
}

export interface ContextSeed {
  readonly principal: Principal | KnownUser;
  readonly entityType: EntityType;
  readonly signal: AbortSignal;
  readonly sessionId?: string;
  readonly threadId?: string;
  readonly runId?: string;
  readonly correlationId?: string;
  readonly metadata?: Partial<EntityMetadata>;
  /** Default all. */
  readonly scopes?: readonly Scope[];
}

/**
 * A fresh UUID with a prefix, as one flat string: V8 keeps a concatenated string as its pieces, of which a UUID has
 * twenty, for as long as a session lives.
 */
const freshId = (prefix: string): string =>
  Buffer.from(prefix + crypto.randomUUID(), "latin1").toString("latin1");

/** Makes the frozen context. Ids that are not given are fresh and unguessable. */
export function createUserContext(seed: ContextSeed): UserContext {
  const sessionId = seed.sessionId ?? freshId("session_");
  const { userId, userKey } =
    "userKey" in seed.principal
      ? seed.principal
      : { userId: seed.principal.subject, userKey: userKeyOf(seed.principal) };
  return Object.freeze({
    userId,
    userKey,
    entityType: seed.entityType,
    sessionId,
    threadId: seed.threadId ?? freshId("thread_"),
    runId: seed.runId ?? freshId("run_"),
    correlationId: seed.correlationId ?? freshId(""),
    signal: seed.signal,
    scopes: Object.freeze([...(seed.scopes ?? SCOPES)]),
    metadata: Object.freeze({
      job_id: null,
      parent_session_id: null,
      prompt: null,
      ...seed.metadata,
      entity_type: seed.entityType,
      is_automated: seed.entityType === "scheduler",
    }),
  });
}
