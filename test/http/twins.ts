import { expect } from "vitest";

/** A response, as far as both lanes must agree on it. */
interface Response {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** Ids, times and ports, which differ from one answer to the next. */
const ID =
  /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=_)1[0-9]{12}\b|(?<=_)[0-9a-f]{12,40}\b|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)|127\.0\.0\.1:\d+/g;

export function comparable({ status, headers, text }: Response) {
  const { date: _date, "content-length": length, ...others } = headers;
  const normal = text.replace(ID, "ID");
  const isJson = String(headers["content-type"]).startsWith("application/json");
  const said: unknown = isJson && text ? JSON.parse(normal) : normal;
  expect(length === undefined || Number(length) === Buffer.byteLength(text)).toBe(true);
  return { status, headers: JSON.parse(JSON.stringify(others).replace(ID, "ID")) as unknown, json: said };
}

/** For each server of the tests, another one of the same program that leaves every request to the SDK. */
const twins = new Map<string, string>();
export const hasTwins = process.env.NIGHTSHIFT_TEST_LANES === "both";
export const addTwin = (url: string, twin: string): void => void twins.set(new URL(url).host, twin);

/** Tools that change something, so that a second call is answered in another way. */
const CHANGING = /^(?:save|forget|schedule|update|pause|resume|cancel|run|backfill|inbox|mark)/;
/** Answers that depend on what else the caller does. */
const BUSY = [429, 503];

interface Asked {
  readonly signal?: AbortSignal | undefined;
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

function isRepeatable({ method = "POST", body, headers, signal }: Asked): boolean {
  if (signal || method !== "POST" || headers?.["mcp-protocol-version"] !== "2026-07-28") return false;
  const asked = body as { method?: unknown; params?: { name?: unknown } } | undefined;
  const { name } = asked?.params ?? {};
  const isChange = asked?.method === "tools/call" && (typeof name !== "string" || CHANGING.test(name));
  return asked?.method !== "subscriptions/listen" && !isChange;
}

const TRIES = 5;

/**
 * Asks the twin of this server the same and demands the same answer. What they tell of may change meanwhile, so both are
 * asked again where they differ.
 */
export async function compareWithTwin<Ask extends Asked>(
  url: string,
  ask: Ask,
  answer: Response,
  send: (url: string, ask: Ask) => Promise<Response>,
): Promise<void> {
  const { host, pathname, search } = new URL(url);
  const twin = twins.get(host);
  if (!twin || !isRepeatable(ask) || BUSY.includes(answer.status)) return;
  let ours = comparable(answer);
  for (let tries = 1; ; tries++) {
    const theirs = await send(twin + pathname + search, ask).then(comparable);
    if (
      [ours, theirs].some(({ status }) => BUSY.includes(status)) ||
      JSON.stringify(ours) === JSON.stringify(theirs)
    )
      return;
    if (tries === TRIES) return expect(ours, JSON.stringify(ask)).toEqual(theirs);
    ours = await send(url, ask).then(comparable);
  }
}
