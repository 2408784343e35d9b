import { setEntityType } from "../context/current-context.ts";
import type { EntityType } from "../context/entity.ts";
import type { Scope } from "../context/scopes.ts";
import {
  createUserContext,
  type KnownUser,
  type Principal,
  type UserContext,
} from "../context/user-context.ts";

/** The operator of this installation vouches for the names it gives: `--user`, API keys, the jobs folder, a host program. */
export const LOCAL_ISSUER = "local";

export const localPrincipal = (user: string): Principal => ({ issuer: LOCAL_ISSUER, subject: user });

/** How a call reached us, as the transport that took it in says. Nothing in it was said by the caller. */
export interface Caller {
  readonly principal: Principal | KnownUser;
  /** What this way of arriving makes of a caller: a desktop client's pipe is a human's, an API key's holder is `api`. */
  readonly entityType: Exclude<EntityType, "scheduler" | "unknown">;
  readonly signal: AbortSignal;
  readonly sessionId?: string;
  /** What the credential may be used for; default all. */
  readonly scopes?: readonly Scope[];
}

/** The context of whoever arrived: fresh ids, frozen, with the entity type of the way it came. */
export function identify(caller: Caller): UserContext {
  return setEntityType(caller.entityType, () => createUserContext(caller));
}
