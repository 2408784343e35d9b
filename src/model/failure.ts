import { type ErrorCode, NightshiftError } from "../errors.ts";

/** The model that failed, as far as users may be told. */
export interface ModelLocation {
  readonly provider: string;
  readonly modelId: string;
  /** Host and port of a configured address, without its credentials. */
  readonly host: string | undefined;
  /** Used only to remove it from a provider's message. */
  readonly key: string | undefined;
}

/** A failed call, taken out of the errors that the SDK wraps it in. */
interface ModelFailure {
  readonly status: number | undefined;
  readonly network: string | undefined;
  readonly message: string;
  readonly isRetried: boolean;
}

/**
 * Any failure of a model call, as an error whose sentence says what went wrong and what to do. It has neither the key
 * nor the address's credentials in it: it names only the host, and a key that the provider repeats is removed.
 */
export function explainFailure(error: unknown, where: ModelLocation): NightshiftError {
  if (error instanceof NightshiftError) return error;
  const { status, network, message, isRetried } = readFailure(error);
  const who = where.host ? `${where.provider} at ${where.host}` : where.provider;
  const http = status === undefined ? "" : ` (HTTP ${status})`;
  const again = isRetried ? ", also when asked again" : "";
  const make = (code: ErrorCode, sentence: string) =>
    // Without a `cause`: the SDK's errors hold the request, and with it the prompt.
    new NightshiftError(code, sentence, { ...(status !== undefined && { http_status: status }) });

  if (isKeyMissing(error))
    return make("MODEL_REFUSED_KEY", `There is no key for ${who}: set NIGHTSHIFT_MODEL_API_KEY.`);
  if (status === 401 || status === 403)
    return make(
      "MODEL_REFUSED_KEY",
      `The model refused the key: ${who}${http}. Check NIGHTSHIFT_MODEL_API_KEY, and that the key may use ${where.modelId}.`,
    );
  if (status === 429)
    return make(
      "MODEL_RATE_LIMITED",
      `The model is rate-limited: ${who}${http}${again}. Run the job at another time or less often, or raise the limit with the provider.`,
    );
  if (status === undefined && network)
    return make(
      "MODEL_UNREACHABLE",
      `The model could not be reached: ${who} (${network})${again}. Is it running, and is NIGHTSHIFT_MODEL_BASE_URL right?`,
    );
  if (status === 404)
    return make("MODEL_FAILED", `${who} knows no model "${where.modelId}"${http}. Check NIGHTSHIFT_MODEL.`);
  if (status !== undefined && status >= 500)
    return make(
      "MODEL_UNAVAILABLE",
      `The model's provider had an error: ${who}${http}${again}. Try again later.`,
    );
  if (status !== undefined && status >= 400)
    return make("MODEL_FAILED", `${who} did not accept the request${http}: ${tidy(message, where.key)}`);
  return make(
    "MODEL_FAILED",
    `${who} answered with something that is not a model's answer: ${tidy(message, where.key)}`,
  );
}

const isKeyMissing = (error: unknown) => error instanceof Error && error.name === "AI_LoadAPIKeyError";

function readFailure(error: unknown): ModelFailure {
  const errors = (error as { errors?: unknown }).errors;
  const last = Array.isArray(errors) && errors.length > 0 ? errors.at(-1) : error;
  const { statusCode, message } = last as { statusCode?: unknown; message?: unknown };
  return {
    status: typeof statusCode === "number" ? statusCode : undefined,
    network: networkCode(last),
    message: String(message ?? last),
    isRetried: Array.isArray(errors) && errors.length > 1,
  };
}

/** The system's error code, e.g. ECONNREFUSED, from whichever error of the chain has it. */
function networkCode(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const { code, errors } = at as { code?: unknown; errors?: unknown };
    if (typeof code === "string" && /^(E[A-Z]|UND_ERR|ERR_TLS|CERT|DEPTH|SELF|UNABLE)/.test(code))
      return code;
    if (Array.isArray(errors) && errors[0] instanceof Error) return networkCode(errors[0]);
    if (at instanceof TypeError && at.message === "fetch failed")
      return networkCode(at.cause) ?? fetchReason(at.cause);
  }
  return undefined;
}

/** A provider's message in one line of at most 300 characters, without the key. */
function tidy(message: string, key: string | undefined): string {
  const line = message.replaceAll(/\s+/g, " ").trim();
  const safe = key ? line.replaceAll(key, "[key]") : line;
  return safe.length > 300 ? `${safe.slice(0, 300)}…` : safe;
}

/** Some failures have a reason and no code, e.g. a port that fetch refuses. */
const fetchReason = (cause: unknown): string => (cause instanceof Error ? cause.message : "fetch failed");
