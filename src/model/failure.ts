import { type ErrorCode, NightshiftError } from "../errors.ts";
import { type FailedCall, readFailedCall } from "./failed-call.ts";

/** The model that failed, as far as users may be told. */
export interface ModelLocation {
  readonly provider: string;
  readonly modelId: string;
  /** A configured address, without its credentials. */
  readonly address: URL | undefined;
  /** Used only to remove it from a provider's message. */
  readonly key: string | undefined;
}

/** Failures that may be over soon. */
export const PASSING: readonly ErrorCode[] = ["MODEL_RATE_LIMITED", "MODEL_UNREACHABLE", "MODEL_UNAVAILABLE"];

/**
 * Any failure of a model call, as an error whose sentence says what went wrong and what to do. It has neither the key
 * nor the address's credentials in it, and a key that the provider repeats is removed. Its `data` has `http_status`,
 * and `retry_after_ms` where the provider asks for a wait.
 */
export function explainFailure(
  error: unknown,
  where: ModelLocation,
  { isRetried = false } = {},
): NightshiftError {
  if (error instanceof NightshiftError) return error;
  const call = readFailedCall(error);
  const { status, retryAfterMs } = call;
  const [code, sentence] = isKeyMissing(error)
    ? (["MODEL_REFUSED_KEY", `There is no key for ${nameOf(where)}: set NIGHTSHIFT_MODEL_API_KEY.`] as const)
    : (explainPassing(call, where, isRetried ? ", also when asked again" : "") ??
      explainLasting(call, where));
  // Without a `cause`: the SDK's errors hold the request, and with it the prompt.
  return new NightshiftError(code, sentence, {
    ...(status !== undefined && { http_status: status }),
    ...(retryAfterMs !== undefined && { retry_after_ms: retryAfterMs }),
  });
}

type Explained = readonly [code: ErrorCode, sentence: string];

const isKeyMissing = (error: unknown) => error instanceof Error && error.name === "AI_LoadAPIKeyError";

const nameOf = ({ provider, address }: ModelLocation) =>
  address ? `${provider} at ${address.host}` : provider;

const httpOf = ({ status }: FailedCall) => (status === undefined ? "" : ` (HTTP ${status})`);

/** Statuses of 4xx that say nothing about the request: it came too late, or too early, or met another one. */
const PASSING_STATUSES: readonly (number | undefined)[] = [408, 409, 425];

/** Undefined for a failure that another try would only repeat. */
function explainPassing(call: FailedCall, where: ModelLocation, again: string): Explained | undefined {
  const { status, network, isCut } = call;
  const who = nameOf(where);
  if (isOutOfCredit(call)) return undefined;
  if (isCut)
    return [
      "MODEL_UNAVAILABLE",
      `The connection to the model was lost in the middle of its answer: ${who}${again}. Try again later.`,
    ];
  if (status === 429)
    return [
      "MODEL_RATE_LIMITED",
      `The model is rate-limited: ${who}${httpOf(call)}${again}.${asksFor(call)} Run the job at another time or less often, or raise the limit with the provider.`,
    ];
  if (status === undefined && network)
    return [
      "MODEL_UNREACHABLE",
      `The model could not be reached: ${who} (${network})${again}. Is it running, and is NIGHTSHIFT_MODEL_BASE_URL right?`,
    ];
  if (status !== undefined && (status >= 500 || PASSING_STATUSES.includes(status)))
    return [
      "MODEL_UNAVAILABLE",
      `The model's provider had an error: ${who}${httpOf(call)}${again}.${asksFor(call)} Try again later.`,
    ];
  if (status !== undefined && status < 300 && (call.hasError || call.isNoJson))
    return [
      "MODEL_UNAVAILABLE",
      `${who} answered${httpOf(call)} with ${call.hasError ? "an error" : "a page or a broken text"} that is not a model's answer${again}: ${tidy(call.message, where.key)} Try again later.`,
    ];
  return undefined;
}

const asksFor = ({ retryAfterMs }: FailedCall) =>
  retryAfterMs === undefined || retryAfterMs < 1_000
    ? ""
    : ` It asks for a wait of ${Math.ceil(retryAfterMs / 1_000)} s.`;

const OUT_OF_CREDIT = /^(insufficient_(quota|balance|credits?|funds)|billing_\w+|credit_\w+)$/i;

/** Not Google's "exceeded your current quota": that is a limit of a minute or a day. */
const isOutOfCredit = ({ status, kinds, message }: FailedCall): boolean =>
  status === 402 ||
  kinds.some((kind) => OUT_OF_CREDIT.test(kind)) ||
  (status !== undefined &&
    status >= 400 &&
    status < 500 &&
    /credit balance is too low|insufficient (balance|credits|funds)/i.test(message));

function explainLasting(call: FailedCall, where: ModelLocation): Explained {
  const { status, message } = call;
  const who = nameOf(where);
  const http = httpOf(call);
  if (isOutOfCredit(call))
    return [
      "MODEL_FAILED",
      `The account with the model's provider has nothing left to spend: ${who}${http}. Add credit or raise its limit with the provider. It said: ${tidy(message, where.key)}`,
    ];
  if (status === 401 || status === 403)
    return [
      "MODEL_REFUSED_KEY",
      `The model refused the key: ${who}${http}. Check NIGHTSHIFT_MODEL_API_KEY, and that the key may use ${where.modelId}.`,
    ];
  if (status === 404 && where.address && !call.hasError) {
    const { origin, pathname } = where.address;
    return [
      "MODEL_FAILED",
      `${who} knows no model "${where.modelId}", or has no model's API at ${origin}${pathname}${http}. Check NIGHTSHIFT_MODEL_BASE_URL, which often ends in /v1, and NIGHTSHIFT_MODEL.`,
    ];
  }
  if (status === 404)
    return ["MODEL_FAILED", `${who} knows no model "${where.modelId}"${http}. Check NIGHTSHIFT_MODEL.`];
  if (status !== undefined && status >= 400)
    return ["MODEL_FAILED", `${who} did not accept the request${http}: ${tidy(message, where.key)}`];
  return [
    "MODEL_FAILED",
    `${who} answered with something that is not a model's answer: ${tidy(message, where.key)}`,
  ];
}

/** A provider's message in one line of at most 300 characters, without the key. */
function tidy(message: string, key: string | undefined): string {
  const line = message.replaceAll(/\s+/g, " ").trim();
  const safe = key ? line.replaceAll(key, "[key]") : line;
  return safe.length > 300 ? `${safe.slice(0, 300)}…` : safe;
}
