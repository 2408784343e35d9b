/** Bytes of a resource's URI. */
export const MOST_URI_BYTES = 2_048;
/** URIs to which one connection or stream may subscribe. */
export const MOST_SUBSCRIPTIONS = 1_000;
/** Bytes of a JSON-RPC id, a method's name, a progress token, a log level or a cursor. */
const MOST_NAME_BYTES = 1_024;
/** Bytes of what a client says of itself in `initialize`, which is kept as long as its session. */
const MOST_INITIALIZE_BYTES = 16 * 1024;
/** Bytes of the value that is to be completed. */
const MOST_TYPED_BYTES = 2_048;

const isLonger = (value: unknown, bytes: number): boolean =>
  typeof value === "string" && Buffer.byteLength(value) > bytes;

interface MessageFields {
  readonly [name: string]: unknown;
}

const fieldsOf = (value: unknown): MessageFields =>
  typeof value === "object" && value !== null ? (value as MessageFields) : {};

/**
 * Says what is too long in a JSON-RPC message; undefined when nothing is. What is checked here is kept while a call, a
 * stream or a session lasts, or is repeated in each notification; arguments of tools have limits of their own.
 */
export function lengthProblem(message: unknown): string | undefined {
  const { id, method, params: given } = fieldsOf(message);
  const params = fieldsOf(given);
  const meta = fieldsOf(params._meta);
  const names = { ...pick(params, NAMES), id, method, token: meta.progressToken };
  for (const [name, value] of Object.entries(names))
    if (isLonger(value, MOST_NAME_BYTES)) return `${name} may have at most ${MOST_NAME_BYTES} bytes.`;
  if (isLonger(params.uri, MOST_URI_BYTES)) return `A uri may have at most ${MOST_URI_BYTES} bytes.`;
  if (isLonger(fieldsOf(params.argument).value, MOST_TYPED_BYTES))
    return `What is to be completed may have at most ${MOST_TYPED_BYTES} bytes.`;
  if (method === "initialize" && Buffer.byteLength(JSON.stringify(params)) > MOST_INITIALIZE_BYTES)
    return `The parameters of initialize may have at most ${MOST_INITIALIZE_BYTES} bytes.`;
  return subscriptionsProblem(fieldsOf(params.notifications).resourceSubscriptions);
}

const NAMES = ["name", "requestId", "progressToken", "level", "cursor", "protocolVersion", "taskId"] as const;

const pick = (params: MessageFields, names: readonly string[]): MessageFields =>
  Object.fromEntries(names.map((name) => [name, params[name]]));

/** Of `subscriptions/listen`. A list that is not one is left to the protocol's own checks. */
function subscriptionsProblem(uris: unknown): string | undefined {
  if (!Array.isArray(uris)) return undefined;
  if (uris.length > MOST_SUBSCRIPTIONS)
    return `A stream may have at most ${MOST_SUBSCRIPTIONS} subscriptions.`;
  return uris.some((uri) => isLonger(uri, MOST_URI_BYTES))
    ? `A uri may have at most ${MOST_URI_BYTES} bytes.`
    : undefined;
}
