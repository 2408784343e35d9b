import { randomBytes, randomUUID } from "node:crypto";
import {
  type EventStore,
  isInitializeRequest,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { type ConnectionDeps, openConnection } from "../../connection/connection.ts";
import { type ByteAccount, ENTRY_BYTES } from "../../connection/held-bytes.ts";
import type { AuthInfo, AuthorizedRequest, CredentialWatcher } from "./auth.ts";
import { type CallerLimits, type InFlightCalls, trackCalls } from "./limits.ts";
import { noSuchSession, refuse, refuseInvalid, sessionElsewhere } from "./responses.ts";
import { sendResponse, toWebRequest } from "./web.ts";

interface HttpSession {
  /** The caller, with the credential that was used last. */
  auth: AuthInfo;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  readonly inFlight: InFlightCalls;
  /** Aborts when the session ends. */
  readonly signal: AbortSignal;
  unwatch: () => void;
  /** Closes its transport. Resolves when its tools are disposed. */
  end: () => Promise<void>;
  /** Its open responses; with none it is idle. */
  open: number;
  lastUsedAt: number;
}

/**
 * The sessions of 2025-era clients. An id is `<node>.<uuid>`: a session lives on the node that opened it. An id proves
 * nothing; a session is served only to the principal that opened it.
 */
export interface Sessions {
  serve(authorized: AuthorizedRequest): Promise<void>;
  readonly size: number;
  close(): Promise<void>;
}

/** Header of responses that open something which lives on this node alone, for routing. */
export const NODE_HEADER = "nightshift-node";
const SESSION_SWEEP_MS = 15_000;
/** Time that a client waits before it reconnects a dropped stream. */
const STREAM_RETRY_MS = 1_000;

export function createSessions(parts: {
  connectionDeps: ConnectionDeps;
  limits: CallerLimits;
  credentials: CredentialWatcher;
  node: string;
  /** True where other nodes share the database. On one machine an id of another node is of an earlier process. */
  isCluster: boolean;
  idleMs: number;
  now: () => number;
}): Sessions {
  const { connectionDeps, limits, credentials, node, isCluster, idleMs, now } = parts;
  const sessions = new Map<string, HttpSession>();
  const hasModules = connectionDeps.registers.length > 0;

  const open = async (authorized: AuthorizedRequest) => {
    const { auth, res } = authorized;
    const release = limits.take("sessions", auth.userKey) ?? (await replaceIdle(auth.userKey));
    if (!release)
      return refuse(res, 429, "You have too many open sessions, and none is idle; end one with DELETE.", {
        headers: { "Retry-After": "5" },
      });
    const ended = new AbortController();
    const held = connectionDeps.held.open(auth.userKey);
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => `${node}.${randomUUID()}`,
      eventStore: createEventStore(held),
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
      held.close();
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

  /** A session may go on with another credential of the same scopes. It ends with the one that was used last. */
  const changeCredential = (session: HttpSession, auth: AuthInfo) => {
    session.unwatch();
    session.unwatch = credentials.watch(auth, () => void session.transport.close());
    session.auth = auth;
  };

  const isIdle = ({ open, inFlight }: HttpSession) => open === 0 && inFlight.size === 0;

  /** Ends the principal's longest idle session and takes its place: some clients never end theirs. */
  const replaceIdle = async (userKey: string) => {
    const idle = [...sessions.values()].filter(
      (session) => session.auth.userKey === userKey && isIdle(session),
    );
    const [longest] = idle.sort((a, b) => a.lastUsedAt - b.lastUsedAt);
    await longest?.transport.close();
    return limits.take("sessions", userKey);
  };

  const sweep = () => {
    for (const session of sessions.values())
      if (isIdle(session) && now() - session.lastUsedAt > idleMs) void session.transport.close();
  };
  const timer = setInterval(sweep, Math.min(SESSION_SWEEP_MS, idleMs)).unref();

  return {
    async serve(authorized) {
      if (refuseInvalid(authorized)) return;
      const { auth, req, res, body } = authorized;
      const id = req.headers["mcp-session-id"];
      if (id === undefined) {
        // An initialize without a JSON-RPC id is a notification: it has no response to tell the session id in.
        if (req.method === "POST" && isInitializeRequest(body) && "id" in body) return open(authorized);
        return refuse(res, 400, "This request needs the Mcp-Session-Id that initialize answered with.");
      }
      const owner = isCluster ? nodeOf(String(id)) : undefined;
      if (owner !== undefined && owner !== node) return sessionElsewhere(res, owner);
      const session = sessions.get(String(id));
      if (!session || !isSameCaller(session.auth, auth)) return noSuchSession(res);
      if (session.auth.credential.id !== auth.credential.id) changeCredential(session, auth);
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

/** The node in a session id, if there is one. */
export const nodeOf = (id: string): string | undefined => /^([A-Za-z0-9-]{1,63})\./.exec(id)?.[1];

/** True for the same principal with the same scopes: a session must not lend its scopes to a lesser key. */
export const isSameCaller = (one: AuthInfo, other: AuthInfo): boolean =>
  one === other ||
  (one.userKey === other.userKey &&
    one.entityType === other.entityType &&
    [...one.scopes].sort().join() === [...other.scopes].sort().join());

const MOST_EVENTS = 500;
const MOST_BYTES = 1024 * 1024;

interface KeptEvent {
  readonly id: string;
  readonly streamId: string;
  /** As JSON: one string costs the garbage collector less than the objects of a message. */
  readonly message: string;
  readonly bytes: number;
}

/**
 * Keeps the latest messages of one session's streams, for clients that reconnect with `Last-Event-ID`, as far as `held`
 * takes them. It belongs to one session, so another session's ids are not found here.
 */
function createEventStore(held: ByteAccount): EventStore {
  // Random per session: an id of an earlier session must not be taken for one of this.
  const name = randomBytes(9).toString("base64url");
  const kept: KeptEvent[] = [];
  let count = 0;
  let total = 0;
  const dropOldest = () => {
    const bytes = kept.shift()?.bytes ?? 0;
    total -= bytes;
    held.give(bytes);
  };
  return {
    async storeEvent(streamId, value) {
      const id = `${name}-${count++}`;
      const message = JSON.stringify(value);
      const bytes = Buffer.byteLength(message) + ENTRY_BYTES;
      while (kept.length >= MOST_EVENTS || (total + bytes > MOST_BYTES && kept.length > 0)) dropOldest();
      let isTaken = held.take(bytes);
      while (!isTaken && kept.length > 0) {
        dropOldest();
        isTaken = held.take(bytes);
      }
      if (isTaken) {
        total += bytes;
        kept.push({ id, streamId, message, bytes });
      }
      return id;
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
