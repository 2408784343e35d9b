/** The codes of all errors that Nightshift throws. A closed list, so that clients may switch on it. */
export const ERROR_CODES = [
  "INVALID_ARGUMENTS",
  "INVALID_SCHEDULE",
  "TOOL_NOT_FOUND",
  "TOOL_DENIED",
  "TOOL_TIMED_OUT",
  "TOOL_FAILED",
  "TOOL_MODULE_INVALID",
  "CANCELLED",
  "CONTEXT_CLOSED",
  "MEMORY_DENIED",
  "FACT_EMPTY",
  "FACT_TOO_LARGE",
  "FACT_LIMIT_REACHED",
  "FACT_NOT_FOUND",
  "JOB_NOT_FOUND",
  "JOB_STATE",
  "JOB_LIMIT_REACHED",
  "JOB_FILE_INVALID",
  "RUN_NOT_FOUND",
  "RUN_STATE",
  "CURSOR_INVALID",
  "MODEL_NOT_CONFIGURED",
  "MODEL_REFUSED_KEY",
  "MODEL_RATE_LIMITED",
  "MODEL_UNREACHABLE",
  "MODEL_UNAVAILABLE",
  "MODEL_FAILED",
  "BUDGET_EXCEEDED",
  "GHOST_TIMED_OUT",
  "GHOST_CRASHED",
  "CONFIG_INVALID",
  "DATA_UNAVAILABLE",
  "INTERNAL",
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/**
 * The one error class. `message` is a sentence that a person or a model can act on. `data` holds ids and limits, and
 * never a secret, a fact's text, a path or SQL.
 */
export class NightshiftError extends Error {
  override readonly name = "NightshiftError";
  readonly code: ErrorCode;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, data: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.data = Object.freeze({ ...data });
  }
}

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** An error that a caller may see: a NightshiftError as it is, and INTERNAL in place of any other. */
export function toPublicError(error: unknown): NightshiftError {
  if (error instanceof NightshiftError) return error;
  return new NightshiftError(
    "INTERNAL",
    "Something went wrong inside Nightshift; its log has the details.",
    {},
    { cause: error },
  );
}
