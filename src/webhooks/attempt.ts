import type { Transaction } from "kysely";
import { readRunSummary } from "../database/run-row.ts";
import type { DeliveryRow, Tables } from "../database/schema.ts";
import { ghostSessionId } from "../jobs/job.ts";
import type { RunError, RunStatus } from "../jobs/run.ts";
import { version } from "../version.ts";
import { askNameServers, askSystem, type PostOptions, type PostResult, post } from "./post.ts";
import { isPublicAddress, urlProblem } from "./url.ts";

/** What came of an attempt, and so what is to be done. `status` is of the HTTP answer, `at` in epoch ms. */
export type AttemptResult =
  | ({ readonly kind: "delivered"; readonly error: null } & HttpResult)
  | ({ readonly kind: "again"; readonly at: number; readonly error: string } & HttpResult)
  | ({ readonly kind: "failed"; readonly error: string } & HttpResult)
  /** It was stopped before it was over. */
  | { readonly kind: "stopped" };

interface HttpResult {
  /** Host and port of the URL; null when there was none. */
  readonly host: string | null;
  readonly status: number | null;
}

/** How connections are made. */
export type NetworkPolicy = Pick<PostOptions, "resolve" | "isAllowed"> & {
  readonly allowPrivate: boolean;
  readonly timeoutMs?: number;
};

/** What the setting says; tests lead names elsewhere. */
export const createNetworkPolicy = (allowPrivate: boolean): NetworkPolicy =>
  allowPrivate
    ? { allowPrivate, resolve: askSystem, isAllowed: () => true }
    : { allowPrivate, resolve: askNameServers(), isAllowed: isPublicAddress };

/** Attempts of one delivery, the first counted: over a little more than a day. */
export const MAX_ATTEMPTS = 8;
const FIRST_PAUSE_MS = 5_000;
/** What a receiver may ask us to wait, at most. */
export const MAX_RETRY_AFTER_MS = 6 * 3_600_000;

/** Answers that may be another at another time. */
const RETRIED_STATUSES = new Set([408, 425, 429]);

export interface OutgoingMessage {
  readonly deliveryId: string;
  /** From 1. */
  readonly attempt: number;
  readonly url: string | null;
  readonly message: WebhookMessage;
  readonly secrets: readonly string[];
}

/** Makes one attempt, and says what is to come of it. Never rejects for what a receiver does. */
export async function attemptDelivery(
  { deliveryId, attempt, url, message, secrets }: OutgoingMessage,
  network: NetworkPolicy,
  { now, signal }: { now: () => number; signal: AbortSignal },
): Promise<AttemptResult> {
  if (url === null)
    return { kind: "failed", host: null, status: null, error: "The webhook was removed before it was told." };
  const host = URL.parse(url)?.host ?? null;
  const problem = urlProblem(url, network);
  if (problem) return { kind: "failed", host, status: null, error: problem };
  const body = JSON.stringify(message);
  const headers = await headersFor(deliveryId, body, secrets, now());
  const answer = await post(new URL(url), { headers, body, signal, ...network });
  return classify(answer, { host, attempt, now: now() });
}

/** The headers of https://www.standardwebhooks.com, with a signature for each secret. */
async function headersFor(id: string, body: string, secrets: readonly string[], now: number) {
  const { Webhook } = await import("standardwebhooks");
  const at = new Date(now);
  return {
    "content-type": "application/json",
    "user-agent": `Nightshift/${version}`,
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(now / 1000)),
    "webhook-signature": secrets.map((secret) => new Webhook(secret).sign(id, at, body)).join(" "),
  };
}

interface ClassifyContext {
  readonly host: string | null;
  readonly attempt: number;
  readonly now: number;
  /** From 0 to 1. */
  readonly chance?: number;
}

/** What an answer means for a delivery. */
export function classify(
  answer: PostResult,
  { host, attempt, now, chance = Math.random() }: ClassifyContext,
): AttemptResult {
  if (answer.kind === "stopped") return { kind: "stopped" };
  const status = answer.kind === "answered" ? answer.status : null;
  if (status !== null && status >= 200 && status < 300)
    return { kind: "delivered", host, status, error: null };
  const error = answer.kind === "answered" ? explainStatus(answer.status) : answer.error;
  const isPassing =
    answer.kind === "unreachable" || (status !== null && (status >= 500 || RETRIED_STATUSES.has(status)));
  if (!isPassing || attempt >= MAX_ATTEMPTS) return { kind: "failed", host, status, error };
  const asked = answer.kind === "answered" ? readRetryAfter(answer.retryAfter, now) : 0;
  const pauseMs = Math.max(retryDelayMs(attempt, chance), Math.min(asked, MAX_RETRY_AFTER_MS));
  return { kind: "again", at: now + pauseMs, host, status, error };
}

/** 5 s, 25 s, 2 min, 10 min, 52 min, 4 h, 22 h; a quarter more or less, so that what failed together parts. */
const retryDelayMs = (attempt: number, chance: number): number =>
  Math.round(FIRST_PAUSE_MS * 5 ** (attempt - 1) * (0.75 + chance / 2));

/** Seconds or an HTTP date; 0 for anything else. */
function readRetryAfter(text: string | undefined, now: number): number {
  if (text === undefined) return 0;
  const askedMs = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isFinite(askedMs) ? Math.max(0, askedMs) : 0;
}

const explainStatus = (status: number): string =>
  status >= 300 && status < 400
    ? `It answered ${status}; redirects are not followed: name the URL that it leads to.`
    : `It answered ${status}.`;

/** What a receiver is sent, as JSON: the shape that Standard Webhooks recommends. Times are ISO 8601. */
export interface WebhookMessage {
  readonly type: `run.${RunStatus}` | "webhook.test";
  /** When it happened, not when it is sent. */
  readonly timestamp: string;
  readonly data: RunEndData | { readonly text: string };
}

interface RunEndData {
  readonly run_id: string;
  readonly job_id: string;
  readonly job_name: string | null;
  readonly ghost_session_id: string;
  readonly status: RunStatus;
  readonly trigger: string;
  readonly attempt: number;
  readonly scheduled_for: string;
  readonly started_at: string | null;
  readonly finished_at: string;
  /** Cut at MAX_WEBHOOK_OUTPUT_CHARS; `output_chars` says how long it was. */
  readonly output: string | null;
  readonly output_chars: number;
  readonly error: RunError | null;
}

export const MAX_WEBHOOK_OUTPUT_CHARS = 32_000;

const iso = (ms: number): string => new Date(ms).toISOString();

/** The message of a delivery, and the URL that its job has now. */
export async function readMessage(
  trx: Transaction<Tables>,
  { run_id, job_id, created_at }: Pick<DeliveryRow, "run_id" | "job_id" | "created_at">,
): Promise<{ message: WebhookMessage; jobUrl: string | null }> {
  // There as long as the delivery is: the tables hold on to each other.
  const row = await trx.selectFrom("runs").selectAll().where("run_id", "=", run_id).executeTakeFirstOrThrow();
  const job = await trx
    .selectFrom("jobs")
    .select(["name", "webhook_url"])
    .where("job_id", "=", job_id)
    .executeTakeFirst();
  const run = readRunSummary(row);
  const finishedAt = iso(run.finishedAt ?? created_at);
  const data: RunEndData = {
    run_id,
    job_id,
    job_name: job?.name ?? null,
    ghost_session_id: ghostSessionId(job_id),
    status: run.status,
    trigger: run.trigger,
    attempt: run.attempt,
    scheduled_for: iso(run.scheduledFor),
    started_at: run.startedAt === null ? null : iso(run.startedAt),
    finished_at: finishedAt,
    output: run.output === null ? null : run.output.slice(0, MAX_WEBHOOK_OUTPUT_CHARS),
    output_chars: run.output?.length ?? 0,
    error: run.error,
  };
  return {
    message: { type: `run.${run.status}`, timestamp: finishedAt, data },
    jobUrl: job?.webhook_url ?? null,
  };
}
