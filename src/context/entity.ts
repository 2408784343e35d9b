/** The kinds of callers. The kind comes from how a call arrived, never from anything that the caller says. */
export const ENTITY_TYPES = ["human", "scheduler", "api", "unknown"] as const;
export type EntityType = (typeof ENTITY_TYPES)[number];

/** The acting entity, with the field names of the audit log. */
export interface EntityMetadata {
  readonly job_id: string | null;
  readonly entity_type: EntityType;
  readonly is_automated: boolean;
  readonly parent_session_id: string | null;
  readonly prompt: string | null;
}

export const UNKNOWN_ENTITY: EntityMetadata = Object.freeze({
  job_id: null,
  entity_type: "unknown",
  is_automated: false,
  parent_session_id: null,
  prompt: null,
});
