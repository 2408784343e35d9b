import type { Transaction } from "kysely";
import { readRunSummary } from "../database/run-row.ts";
import type { DeliveryRow, Tables } from "../database/schema.ts";
import { cutText } from "../jobs/cut-text.ts";
import { ghostSessionId } from "../jobs/job.ts";
import {
  type EndReason,
  type RunError,
  type RunStatus,
  showWaitingFor,
  type WaitingFor,
} from "../jobs/run.ts";
import { version } from "../version.ts";
import { askNameServers, askSystem, type PostOptions, type PostResult, post } from "./post.ts";
import { isPublicAddress, urlProblem } from "./url.ts";

/** The result of an attempt. `at`: epoch ms of the next one. `status`: the response's. */
export type AttemptResult =
  | ({ readonly kind: "delivered"; readonly error: null } & HttpResult)
  | ({ readonly kind: "again"; readonly at: number; readonly error: string } & HttpResult)
  | ({ readonly kind: "failed"; readonly error: string } & HttpResult)
  /** This process stopped before the attempt had ended. */
  | { readonly kind: "stopped" };

interface HttpResult {
  /** Host and port of the URL; null without a URL. */
  readonly host: string | null;
  /** Null when there was no HTTP response. */
  readonly status: number | null;
}

/** Rules for connections: how names are resolved, and which addresses are allowed. */
export type NetworkPolicy = Pick<PostOptions, "resolve" | "isAllowed"> & {
  readonly allowPrivate: boolean;
  readonly timeoutMs?: number;
};

/** The policy of the setting `webhookAllowPrivate`. Tests make others, which resolve names elsewhere. */
export const createNetworkPolicy = (allowPrivate: boolean): NetworkPolicy =>
  allowPrivate
    ? { allowPrivate, resolve: askSystem, isAllowed: () => true }
    : { allowPrivate, resolve: askNameServers(), isAllowed: isPublicAddress };

/** Attempts of one delivery, with the first. They take a little more than a day. */
export const MAX_ATTEMPTS = 8;
const FIRST_RETRY_MS = 5_000;
/** The longest Retry-After that is honoured. */
const MAX_PAUSE_MS = 6 * 3_600_000;

/** Statuses below 500 that are tried again: another attempt may succeed. */
const RETRIED_STATUSES = new Set([408, 425, 429]);

export interface OutgoingMessage {
  readonly deliveryId: string;
  /** From 1. */
  readonly attempt: number;
  readonly url: string | null;
  readonly message: WebhookMessage;
  readonly secrets: readonly string[];
}

/** Makes one attempt and classifies its result. Never rejects for anything that a receiver does. */
export async function attemptDelivery(
  { deliveryId, attempt, url, message, secrets }: OutgoingMessage,
  network: NetworkPolicy,
  { now, signal }: { now: () => number; signal: AbortSignal },
): Promise<AttemptResult> {
  if (url === null)
    return {
      kind: "failed",
      host: null,
      status: null,
      error: "The webhook was removed before this could be sent.",
    };
  const host = URL.parse(url)?.host ?? null;
  const problem = urlProblem(url, network);
  if (problem) return { kind: "failed", host, status: null, error: problem };
  const body = JSON.stringify(message);
  const headers = await headersFor(deliveryId, body, secrets, now());
  const response = await post(new URL(url), { headers, body, signal, ...network });
  return classify(response, { host, attempt, now: now() });
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
  /** From 0 to 1; default random. */
  readonly chance?: number;
}

/** Decides what follows from a response: delivered, tried again, or failed. */
export function classify(
  response: PostResult,
  { host, attempt, now, chance = Math.random() }: ClassifyContext,
): AttemptResult {
  if (response.kind === "stopped") return { kind: "stopped" };
  const status = response.kind === "answered" ? response.status : null;
  if (status !== null && status >= 200 && status < 300)
    return { kind: "delivered", host, status, error: null };
  const error = response.kind === "answered" ? explainStatus(response.status) : response.error;
  const isPassing =
    response.kind === "unreachable" || (status !== null && (status >= 500 || RETRIED_STATUSES.has(status)));
  if (!isPassing || attempt >= MAX_ATTEMPTS) return { kind: "failed", host, status, error };
  const retryAfterMs = response.kind === "answered" ? readRetryAfter(response.retryAfter, now) : 0;
  const pauseMs = Math.max(nextAttemptDelayMs(attempt, chance), Math.min(retryAfterMs, MAX_PAUSE_MS));
  return { kind: "again", at: now + pauseMs, host, status, error };
}

/** 5 s, 25 s, 2 min, 10 min, 52 min, 4 h, 22 h; a quarter more or less, so that common failures spread out. */
const nextAttemptDelayMs = (attempt: number, chance: number): number =>
  Math.round(FIRST_RETRY_MS * 5 ** (attempt - 1) * (0.75 + chance / 2));

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

/** The JSON that a receiver is sent, in the shape that Standard Webhooks recommends. Times are ISO 8601. */
export interface WebhookMessage {
  readonly type: `run.${RunStatus}` | "webhook.test";
  /** The time of the event, not of the attempt. */
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
  /** Null while it waits. */
  readonly finished_at: string | null;
  /** What it waits for, in a message of type `run.waiting`. Answer with `answer_run`. */
  readonly waiting_for?: ReturnType<typeof showWaitingFor>;
  /** Cut at MAX_WEBHOOK_OUTPUT_CHARS; `output_chars` is its full length. */
  readonly output: string | null;
  readonly output_chars: number;
  readonly error: RunError | null;
  /** Why its output may be incomplete; absent when it is complete. */
  readonly end_reason?: EndReason;
}

const MAX_WEBHOOK_OUTPUT_CHARS = 32_000;

const iso = (ms: number): string => new Date(ms).toISOString();

/** Reads the message of a delivery, and the URL that its job has now. */
export async function readMessage(
  trx: Transaction<Tables>,
  {
    run_id,
    job_id,
    created_at,
    waiting_for,
  }: Pick<DeliveryRow, "run_id" | "job_id" | "created_at" | "waiting_for">,
): Promise<{ message: WebhookMessage; jobUrl: string | null }> {
  // Always there: deliveries are deleted with their run.
  const row = await trx.selectFrom("runs").selectAll().where("run_id", "=", run_id).executeTakeFirstOrThrow();
  const job = await trx
    .selectFrom("jobs")
    .select(["name", "webhook_url"])
    .where("job_id", "=", job_id)
    .executeTakeFirst();
  const run = readRunSummary(row);
  // What it waited for then: meanwhile it may have gone on.
  const waitingFor = waiting_for === null ? null : (JSON.parse(waiting_for) as WaitingFor);
  const at = waitingFor?.askedAt ?? run.finishedAt ?? created_at;
  const status = waitingFor ? "waiting" : run.status;
  const data: RunEndData = {
    run_id,
    job_id,
    job_name: job?.name ?? null,
    ghost_session_id: ghostSessionId(job_id),
    status,
    trigger: run.trigger,
    attempt: run.attempt,
    scheduled_for: iso(run.scheduledFor),
    started_at: run.startedAt === null ? null : iso(run.startedAt),
    finished_at: waitingFor ? null : iso(at),
    output: run.output === null ? null : cutText(run.output, MAX_WEBHOOK_OUTPUT_CHARS),
    output_chars: run.output?.length ?? 0,
    error: run.error,
    ...(run.endReason && { end_reason: run.endReason }),
    ...(waitingFor && { waiting_for: showWaitingFor(waitingFor) }),
  };
  return {
    message: { type: `run.${status}`, timestamp: iso(at), data },
    jobUrl: job?.webhook_url ?? null,
  };
}
