/** The answer of a provider ended before it was complete. */
export class CutAnswerError extends Error {}

/** A failed call of a model, taken out of the errors that the SDK wraps it in. */
export interface FailedCall {
  /** The HTTP status, or the one that the body of a 200 names. */
  readonly status: number | undefined;
  /** The system's error code, e.g. ECONNREFUSED, where there was no whole response. */
  readonly network: string | undefined;
  /** The connection was lost in the middle of the answer. */
  readonly isCut: boolean;
  readonly message: string;
  /** The provider's words for the kind of error, e.g. `insufficient_quota`. */
  readonly kinds: readonly string[];
  /** The body is JSON with an `error` in it, as providers send it. */
  readonly hasError: boolean;
  /** There is a body, and it is no JSON: mostly the page of a proxy. */
  readonly isNoJson: boolean;
  /** What the provider asks to wait before another try. */
  readonly retryAfterMs: number | undefined;
}

/** Reads no more of a body than this: errors are short. */
const MAX_ERROR_CHARS = 64 * 1024;
/** No longer wait is believed: a header may say anything. */
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

export function readFailedCall(error: unknown, now = Date.now()): FailedCall {
  const { statusCode, message, responseBody, responseHeaders } = error as {
    statusCode?: unknown;
    message?: unknown;
    responseBody?: unknown;
    responseHeaders?: Readonly<Record<string, string>>;
  };
  const status = typeof statusCode === "number" ? statusCode : undefined;
  const text = typeof responseBody === "string" ? responseBody.slice(0, MAX_ERROR_CHARS).trim() : "";
  const body = parseObject(text);
  const stated = readStated(body);
  return {
    status: status !== undefined && status < 300 ? (stated?.status ?? status) : status,
    network: networkCode(error),
    isCut: isCutAnswer(error),
    message: stated?.message ?? String(message ?? error),
    kinds: stated?.kinds ?? [],
    hasError: stated !== undefined,
    isNoJson: text !== "" && body === undefined,
    retryAfterMs: readRetryAfter(responseHeaders ?? {}, now),
  };
}

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Errors that a body may name although its status is 200, by their status. */
const STATUS_OF_KIND: Readonly<Record<string, number>> = {
  invalid_api_key: 401,
  authentication_error: 401,
  permission_error: 403,
  insufficient_quota: 429,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  invalid_request_error: 400,
  not_found_error: 404,
  overloaded_error: 529,
};

/** What the `error` of a body says; undefined when the body has none. */
function readStated(body: object | undefined) {
  const { error } = (body ?? {}) as { error?: unknown };
  if (error === undefined || error === null || error === false) return undefined;
  const { code, type, status, message } = (typeof error === "object" ? error : { message: error }) as Record<
    string,
    unknown
  >;
  const kinds = [code, type, status].filter((kind) => typeof kind === "string");
  const number = [code, status].map(Number).find((at) => Number.isInteger(at) && at >= 400 && at <= 599);
  return {
    kinds,
    status: number ?? kinds.flatMap((kind) => STATUS_OF_KIND[kind] ?? [])[0],
    message: typeof message === "string" ? message : JSON.stringify(error),
  };
}

/** Seconds, a date, or OpenAI's milliseconds. */
function readRetryAfter(headers: Readonly<Record<string, string>>, now: number): number | undefined {
  const ms = headers["retry-after-ms"];
  const after = headers["retry-after"];
  const wait = [
    ms === undefined || ms.trim() === "" ? Number.NaN : Number(ms),
    after === undefined || after.trim() === "" ? Number.NaN : Number(after) * 1_000,
    after === undefined ? Number.NaN : Date.parse(after) - now,
  ].find((at) => Number.isFinite(at) && at >= 0);
  return wait === undefined ? undefined : Math.min(wait, MAX_RETRY_AFTER_MS);
}

/** The chain of an error and its causes. */
function* causesOf(error: unknown): Generator<Error> {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) yield at;
}

const isCutAnswer = (error: unknown) => causesOf(error).some((at) => at instanceof CutAnswerError);

/** From whichever error of the chain has it. */
function networkCode(error: unknown): string | undefined {
  for (const at of causesOf(error)) {
    const { code, errors } = at as { code?: unknown; errors?: unknown };
    if (typeof code === "string" && /^(E[A-Z]|UND_ERR|ERR_TLS|CERT|DEPTH|SELF|UNABLE)/.test(code))
      return code;
    if (Array.isArray(errors) && errors[0] instanceof Error) return networkCode(errors[0]);
    if (at instanceof TypeError && at.message === "fetch failed")
      return networkCode(at.cause) ?? fetchReason(at.cause);
  }
  return undefined;
}

/** Some failures have a reason and no code, e.g. a port that fetch refuses. */
const fetchReason = (cause: unknown): string => (cause instanceof Error ? cause.message : "fetch failed");
