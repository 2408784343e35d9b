import { AsyncLocalStorage } from "node:async_hooks";
import { type EntityMetadata, type EntityType, UNKNOWN_ENTITY } from "./entity.ts";
import type { UserContext } from "./user-context.ts";

interface Current {
  readonly entity: EntityMetadata;
  readonly context?: UserContext;
}

const current = new AsyncLocalStorage<Current>();

/** Runs `work` as `context`: everything it awaits sees this context and its entity type, and nobody else's. */
export function withContext<T>(context: UserContext, work: () => T): T {
  return current.run({ entity: context.metadata, context }, work);
}

/**
 * Runs `work` as an entity that has no user context yet. Internal: only the start of a connection and of a ghost may
 * call it, which `test/architecture.test.ts` checks.
 */
export function setEntityType<T>(entityType: EntityType, work: () => T): T {
  return current.run(
    { entity: { ...UNKNOWN_ENTITY, entity_type: entityType, is_automated: entityType === "scheduler" } },
    work,
  );
}

/** The context that the calling code runs in; undefined outside of one. */
export const getContext = (): UserContext | undefined => current.getStore()?.context;

/** The type of entity that acts now. Default `unknown`, to which memory is denied. */
export const getEntityType = (): EntityType => current.getStore()?.entity.entity_type ?? "unknown";

/** The acting entity as the audit log names it: type, job, parent session and prompt. */
export const getEntityMetadata = (): EntityMetadata => current.getStore()?.entity ?? UNKNOWN_ENTITY;

/** True in a ghost's run. */
export const isSchedulerEntity = (): boolean => getEntityType() === "scheduler";

/** True in a connection or context of a person. */
export const isHumanEntity = (): boolean => getEntityType() === "human";
