import {
  Client,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  StreamableHTTPClientTransport,
  type Transport,
} from "@modelcontextprotocol/client";
import { version } from "../version.ts";
import type { HttpUpstream, UpstreamServer } from "./config.ts";
import { cutIncoming, MAX_MESSAGE_BYTES } from "./incoming.ts";
import { startProcess } from "./process.ts";

export interface ConnectUpstreamOptions {
  /** For connecting and listing tools together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onStderr: (text: string) => void;
}

export interface Connection {
  readonly client: Client;
  close(): Promise<void>;
}

const GOODBYE_MS = 1_000;

/**
 * Connects to one server in the 2025 era, which nearly all speak, or in the 2026 era when the server refuses that.
 * Declares no client capabilities: no sampling, no elicitation, no roots. Rejects with the SDK's error.
 */
export async function connectUpstream(
  server: UpstreamServer,
  options: ConnectUpstreamOptions,
): Promise<Connection> {
  try {
    return await connectAs("legacy", server, options);
  } catch (error) {
    const refused = error instanceof ProtocolError || error instanceof SdkHttpError;
    if (!refused || options.signal.aborted) throw error;
    return connectAs("auto", server, options);
  }
}

async function connectAs(
  mode: "legacy" | "auto",
  server: UpstreamServer,
  { timeoutMs, signal, onStderr }: ConnectUpstreamOptions,
): Promise<Connection> {
  const transport = server.kind === "http" ? overHttp(server) : startProcess(server, onStderr);
  cutIncoming(transport);
  const client = new Client(
    { name: "nightshift", version },
    { capabilities: {}, versionNegotiation: { mode, probe: { timeoutMs } } },
  );
  const close = async () => {
    if (transport instanceof StreamableHTTPClientTransport) await endSession(transport);
    await client.close().catch(() => {});
    await transport.close().catch(() => {});
  };
  try {
    await client.connect(transport, { timeout: timeoutMs, maxTotalTimeout: timeoutMs, signal });
    return { client, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function overHttp({ url, headers }: HttpUpstream): Transport & StreamableHTTPClientTransport {
  return new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { ...headers } },
    // No redirects: the headers are secrets for this one address.
    fetch: async (input, init) => limited(await fetch(input, { ...init, redirect: "error" })),
    reconnectionOptions: {
      maxRetries: 0,
      initialReconnectionDelay: 1_000,
      maxReconnectionDelay: 1_000,
      reconnectionDelayGrowFactor: 1,
    },
  });
}

/** The same response, whose body fails once it is too long. */
function limited(response: Response): Response {
  if (!response.body) return response;
  let bytes = 0;
  const counting = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes > MAX_MESSAGE_BYTES) controller.error(new Error("the response is too large"));
      else controller.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(counting), { status, statusText, headers });
}

async function endSession(transport: StreamableHTTPClientTransport): Promise<void> {
  if (!transport.sessionId) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, GOODBYE_MS);
  await Promise.race([promise, transport.terminateSession().catch(() => {})]);
  clearTimeout(timer);
}

/** The reason why a server could not be reached or did not answer, in words of ours where its own cannot be trusted. */
export function upstreamReason(error: unknown): string {
  if (error instanceof SdkHttpError) return `it answered with HTTP ${error.status ?? "an error"}`;
  if (error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout)
    return "it did not answer in time";
  if (error instanceof SdkError && error.code === SdkErrorCode.ConnectionClosed) return "it ended";
  if (error instanceof ProtocolError) return `it refused: ${error.message.slice(0, 300)}`;
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } };
  const known = typeof code === "string" ? code : cause?.code;
  return typeof known === "string" ? `it could not be reached (${known})` : "it could not be reached";
}
