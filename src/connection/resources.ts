import {
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  type ServerContext,
} from "@modelcontextprotocol/server";
import type { Scope } from "../context/scopes.ts";
import { NightshiftError } from "../errors.ts";
import { INBOX_URI } from "../jobs/inbox-item.ts";
import { showFact } from "../tools/facts.ts";
import { showUnread } from "../tools/inbox.ts";
import { POLICY_URI, policyPage } from "../tools/jobs/policy.ts";
import { showFullJob } from "../tools/jobs/show.ts";
import { showRunWithDeliveries } from "../tools/runs.ts";
import type { Services } from "../tools/services.ts";
import type { Handler, ModuleHandlers, ServerParts, SetHandler } from "./handlers.ts";
import { type ByteAccount, ENTRY_BYTES } from "./held-bytes.ts";
import { MOST_SUBSCRIPTIONS, MOST_URI_BYTES } from "./lengths.ts";

export const RESOURCE_TEMPLATES = Object.freeze([
  {
    uriTemplate: "job://{job_id}",
    name: "job",
    title: "A scheduled job",
    description: "One of your jobs, as get_job shows it",
    mimeType: "application/json",
  },
  {
    uriTemplate: "run://{run_id}",
    name: "run",
    title: "A run of a job",
    description: "One run with its transcript, as get_run shows it",
    mimeType: "application/json",
  },
  {
    uriTemplate: "fact://{fact_id}",
    name: "fact",
    title: "A saved fact",
    description: "One fact that was saved for you",
    mimeType: "application/json",
  },
]);

const POLICY = Object.freeze({
  uri: POLICY_URI,
  name: "policy",
  title: "The policy of a job",
  mimeType: "text/markdown",
  description: "What schedule_task and update_job take in policy",
});

const URI = /^(job|run|fact):\/\/([A-Za-z0-9_-]{1,100})\/?$/;

/** The scope that one of our resources needs; undefined for others. */
export function resourceScope(uri: string): Scope | undefined {
  if (uri === INBOX_URI || uri === POLICY_URI) return "jobs:read";
  const [, kind] = URI.exec(uri) ?? [];
  if (!kind) return undefined;
  return kind === "fact" ? "facts:read" : "jobs:read";
}

/** True when these scopes allow to read the resource, and to be told of its changes. */
export function mayRead(uri: string, scopes: readonly Scope[]): boolean {
  const scope = resourceScope(uri);
  return scope === undefined || scopes.includes(scope);
}

const isOurs = (uri: string): boolean => uri === POLICY_URI || /^(?:job|run|fact|inbox):/.test(uri);

/** True for a URI that we serve, or that users' modules may serve where there are any. It may be of nothing that exists. */
export const isServed = (uri: string, hasModules: boolean): boolean =>
  isOurs(uri) ? resourceScope(uri) !== undefined : hasModules;

const INBOX = Object.freeze({
  uri: INBOX_URI,
  name: "inbox",
  title: "Unread results",
  mimeType: "application/json",
  description: "What your scheduled jobs came to and you have not read; reading it here leaves it unread",
});

/** Lists the inbox, the page about policies, and the user's newest jobs and runs. list_jobs and list_runs find the rest. */
async function listResources(services: Services, scopes: readonly Scope[]) {
  if (!scopes.includes("jobs:read")) return [];
  const { jobs } = (await services.jobs?.list({ limit: 50 })) ?? { jobs: [] };
  const { runs } = (await services.runs?.list({ limit: 50 })) ?? { runs: [] };
  return [
    INBOX,
    POLICY,
    ...jobs.map((job) => ({
      uri: `job://${job.jobId}`,
      name: job.name ?? job.jobId,
      mimeType: "application/json",
      description: `Scheduled job, ${job.status}`,
    })),
    ...runs.map((run) => ({
      uri: `run://${run.runId}`,
      name: run.runId,
      mimeType: "application/json",
      description: `Run of ${run.jobId}, ${run.status}`,
    })),
  ];
}

/** Reads one of the user's resources. An absent one and somebody else's fail in the same way. */
async function readResource(uri: string, services: Services, scopes: readonly Scope[]) {
  if (uri === POLICY_URI && mayRead(uri, scopes))
    return { contents: [{ uri, mimeType: POLICY.mimeType, text: policyPage() }] };
  const [, kind, id] = uri === INBOX_URI ? [uri, "inbox", ""] : (URI.exec(uri) ?? []);
  if (!kind || id === undefined || !mayRead(uri, scopes)) throw new ResourceNotFoundError(uri);
  try {
    const value = await readOwn(kind, id, services);
    return { contents: [{ uri, mimeType: "application/json", text: JSON.stringify(value, null, 2) }] };
  } catch (error) {
    const isAbsent = error instanceof NightshiftError && error.code.endsWith("_NOT_FOUND");
    throw isAbsent ? new ResourceNotFoundError(uri) : error;
  }
}

async function readOwn(kind: string, id: string, services: Services): Promise<unknown> {
  if (kind === "job" && services.jobs) return showFullJob(await services.jobs.get(id), services);
  if (kind === "run" && services.runs) return showRunWithDeliveries(await services.runs.get(id), services);
  if (kind === "fact" && services.facts) return showFact(await services.facts.get(id));
  if (kind === "inbox" && services.inbox) return showUnread(services.inbox, { limit: 50 });
  throw new NightshiftError("JOB_NOT_FOUND", "This context has none.");
}

export function setResourceHandlers(
  set: SetHandler,
  { services, toolkit }: ServerParts,
  moduleHandlers: ModuleHandlers,
): void {
  set("resources/list", async (request, context) => {
    const more = (await moduleHandlers.get("resources/list")?.(request, context)) as
      | { resources: { uri: string }[] }
      | undefined;
    const others = (more?.resources ?? []).filter(({ uri }) => !isOurs(uri));
    return { resources: [...(await listResources(services, toolkit.context.scopes)), ...others] };
  });
  set("resources/templates/list", async (request, context) => {
    const more = (await moduleHandlers.get("resources/templates/list")?.(request, context)) as
      | { resourceTemplates: unknown[] }
      | undefined;
    return { resourceTemplates: [...RESOURCE_TEMPLATES, ...(more?.resourceTemplates ?? [])] };
  });
  set("resources/read", (request, context) => {
    const uri = String(request.params?.uri);
    const delegate = moduleHandlers.get("resources/read");
    return delegate && !isOurs(uri)
      ? delegate(request, context)
      : readResource(uri, services, toolkit.context.scopes);
  });
}

/** Handles 2025-era subscriptions. Returns the URIs to which this connection has subscribed. */
export function setSubscriptionHandlers(
  set: SetHandler,
  { era, held }: Pick<ServerParts, "era" | "held">,
  moduleHandlers: ModuleHandlers,
): ReadonlySet<string> {
  const subscribed = new Set<string>();
  if (era !== "legacy") return subscribed;
  const delegate = (method: string, request: Parameters<Handler>[0], context: ServerContext) =>
    isOurs(String(request.params?.uri)) ? {} : (moduleHandlers.get(method)?.(request, context) ?? {});
  set("resources/subscribe", (request, context) => {
    const uri = String(request.params?.uri);
    if (!subscribed.has(uri)) takeSubscription(uri, subscribed, held, hasResources(moduleHandlers));
    return delegate("resources/subscribe", request, context);
  });
  set("resources/unsubscribe", (request, context) => {
    const uri = String(request.params?.uri);
    if (subscribed.delete(uri)) held.give(subscriptionBytes(uri));
    return delegate("resources/unsubscribe", request, context);
  });
  return subscribed;
}

const hasResources = (moduleHandlers: ModuleHandlers): boolean =>
  moduleHandlers.has("resources/read") || moduleHandlers.has("resources/subscribe");

const subscriptionBytes = (uri: string): number => Buffer.byteLength(uri) + ENTRY_BYTES;

/**
 * Adds a URI that somebody serves. One of another kind is acknowledged, as one of nothing that exists is, and not kept:
 * nobody would ever tell of it. Throws for what can be no resource, and when it is too much.
 */
function takeSubscription(
  uri: string,
  subscribed: Set<string>,
  held: ByteAccount,
  hasModules: boolean,
): void {
  const refuse = (why: string) => new ProtocolError(ProtocolErrorCode.InvalidParams, why);
  if (Buffer.byteLength(uri) > MOST_URI_BYTES) throw refuse(`A uri may have at most ${MOST_URI_BYTES} bytes`);
  if (!isServed(uri, hasModules)) {
    if (isOurs(uri) || !/^[a-z][a-z0-9+.-]*:/i.test(uri)) throw new ResourceNotFoundError(uri);
    return;
  }
  if (subscribed.size >= MOST_SUBSCRIPTIONS) throw refuse(`At most ${MOST_SUBSCRIPTIONS} subscriptions`);
  if (!held.take(subscriptionBytes(uri)))
    throw refuse("You hold too much at once; end a subscription or a session first");
  subscribed.add(uri);
}
