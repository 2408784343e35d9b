import { randomBytes, randomUUID } from "node:crypto";
import {
  type EventStore,
  isInitializeRequest,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { type ConnectionDeps, openConnection } from "../../connection/connection.ts";
import type { AuthInfo, CredentialWatcher } from "./auth.ts";
import type { AuthorizedRequest } from "./authorize.ts";
import { type CallerLimits, type InFlightCalls, trackCalls } from "./limits.ts";
import { noSuchSession, refuse, sessionElsewhere } from "./responses.ts";
import { sendResponse, toWebRequest } from "./web.ts";

interface HttpSession {
  /** Who uses it, by the credential that was used last. */
  auth: AuthInfo;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  readonly inFlight: InFlightCalls;
  /** Aborts when the session ends. */
  readonly signal: AbortSignal;
  unwatch: () => void;
  /** Closes its transport, and resolves when its tools are gone. */
  end: () => Promise<void>;
  /** Responses at work for it; it is idle when there are none. */
  open: number;
  lastUsedAt: number;
}

/**
 * The sessions of 2025-era clients, which live on the node that opened them: `<node>.<uuid>`. An id is an address, not a
 * proof: each belongs to whoever opened it.
 */
export interface Sessions {
  serve(authorized: AuthorizedRequest): Promise<void>;
  readonly size: number;
  close(): Promise<void>;
}

/** Of the answers that open something which lives on this node alone. */
export const NODE_HEADER = "nightshift-node";
const SESSION_SWEEP_MS = 15_000;
/** How long a client whose stream was dropped waits before it comes back for the rest. */
const STREAM_RETRY_MS = 1_000;

export function createSessions(parts: {
  connectionDeps: ConnectionDeps;
  limits: CallerLimits;
  credentials: CredentialWatcher;
  node: string;
  idleMs: number;
  now: () => number;
}): Sessions {
  const { connectionDeps, limits, credentials, node, idleMs, now } = parts;
  const sessions = new Map<string, HttpSession>();
  const hasModules = connectionDeps.registers.length > 0;

  const open = async (authorized: AuthorizedRequest) => {
    const { auth, res } = authorized;
    const release = limits.take("sessions", auth.userKey);
    if (!release)
      return refuse(
        res,
        429,
        "You have too many open sessions; end one with DELETE, or wait until one is idle for long enough.",
        { headers: { "Retry-After": "5" } },
      );
    const ended = new AbortController();
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => `${node}.${randomUUID()}`,
      eventStore: createEventStore(),
      retryInterval: STREAM_RETRY_MS,
      onsessioninitialized: (id) => void sessions.set(id, session),
    });
    const inFlight = trackCalls(transport);
    const unwatch = credentials.watch(auth, () => void transport.close());
    const { signal } = ended;
    const session: HttpSession = {
      auth,
      transport,
      inFlight,
      signal,
      unwatch,
      end: () => transport.close(),
      open: 0,
      lastUsedAt: now(),
    };
    const end = () => {
      session.unwatch();
      inFlight.end();
      release();
      ended.abort();
      if (transport.sessionId) sessions.delete(transport.sessionId);
    };
    try {
      const { server, dispose } = await openConnection(connectionDeps, { ...auth, signal }, "legacy");
      transport.onclose = end;
      session.end = async () => {
        await transport.close();
        await dispose();
      };
      await server.connect(transport);
      res.setHeader(NODE_HEADER, node);
      await serveIn(session, authorized);
      // An initialize that the transport refused opened nothing.
      if (!transport.sessionId) await transport.close();
    } catch (error) {
      end();
      throw error;
    }
  };

  const serveIn = async (session: HttpSession, authorized: AuthorizedRequest) => {
    const { req, res, body } = authorized;
    session.open += 1;
    session.lastUsedAt = now();
    res.once("close", () => {
      session.open -= 1;
      session.lastUsedAt = now();
    });
    session.inFlight.retain(authorized);
    const request = toWebRequest(req, session.signal, hasModules || body === undefined);
    await sendResponse(await session.transport.handleRequest(request, { parsedBody: body }), res);
  };

  /** A session may go on with another credential of the same worth; it ends with the one that was used last. */
  const follow = (session: HttpSession, auth: AuthInfo) => {
    session.unwatch();
    session.unwatch = credentials.watch(auth, () => void session.transport.close());
    session.auth = auth;
  };

  const isIdle = ({ open, inFlight }: HttpSession) => open === 0 && inFlight.size === 0;

  const sweep = () => {
    for (const session of sessions.values())
      if (isIdle(session) && now() - session.lastUsedAt > idleMs) void session.transport.close();
  };
  const timer = setInterval(sweep, Math.min(SESSION_SWEEP_MS, idleMs)).unref();

  return {
    async serve(authorized) {
      const { auth, req, res, body } = authorized;
      const id = req.headers["mcp-session-id"];
      if (id === undefined) {
        // Without an id it is a notification: it would open a session that nobody is told of.
        if (req.method === "POST" && isInitializeRequest(body) && "id" in body) return open(authorized);
        return refuse(res, 400, "This request needs the Mcp-Session-Id that initialize answered with.");
      }
      const owner = nodeOf(String(id));
      if (owner !== undefined && owner !== node) return sessionElsewhere(res, owner);
      const session = sessions.get(String(id));
      if (!session || !isSameCaller(session.auth, auth)) return noSuchSession(res);
      if (session.auth.credential.id !== auth.credential.id) follow(session, auth);
      return serveIn(session, authorized);
    },
    get size() {
      return sessions.size;
    },
    async close() {
      clearInterval(timer);
      await Promise.all([...sessions.values()].map((session) => session.end()));
    },
  };
}

/** The node that a session id names, if it names any. */
export const nodeOf = (id: string): string | undefined => /^([A-Za-z0-9-]{1,63})\./.exec(id)?.[1];

/** The same principal, with a credential worth the same: a session must not lend its scopes to a lesser key. */
export const isSameCaller = (one: AuthInfo, other: AuthInfo): boolean =>
  one === other ||
  (one.userKey === other.userKey &&
    one.entityType === other.entityType &&
    [...one.scopes].sort().join() === [...other.scopes].sort().join());

const MOST_EVENTS = 500;
const MOST_BYTES = 1024 * 1024;

interface Kept {
  readonly id: string;
  readonly streamId: string;
  /** JSON: one string costs the garbage collector less than the objects it was made of. */
  readonly message: string;
}

/**
 * What one session's streams sent lately, for `Last-Event-ID`. It belongs to the session: an id of another one is not
 * found here. The oldest go first.
 */
export function createEventStore(): EventStore {
  // Of this session alone: a client that comes back with an id of an earlier one must not be taken for up to date.
  const name = randomBytes(9).toString("base64url");
  const kept: Kept[] = [];
  let count = 0;
  let bytes = 0;
  return {
    async storeEvent(streamId, message) {
      const event = { id: `${name}-${count++}`, streamId, message: JSON.stringify(message) };
      kept.push(event);
      bytes += event.message.length;
      while (kept.length > MOST_EVENTS || (bytes > MOST_BYTES && kept.length > 1))
        bytes -= kept.shift()?.message.length ?? 0;
      return event.id;
    },
    getStreamIdForEventId: async (eventId) => kept.find(({ id }) => id === eventId)?.streamId,
    async replayEventsAfter(lastEventId, { send }) {
      const at = kept.findIndex(({ id }) => id === lastEventId);
      const last = kept[at];
      if (!last) throw new Error("the events after this id are not kept any more");
      for (const { id, streamId, message } of kept.slice(at + 1))
        if (streamId === last.streamId) await send(id, JSON.parse(message));
      return last.streamId;
    },
  };
}
