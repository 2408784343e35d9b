import { z } from "zod";
import { fetchBounded } from "./bounds.ts";

/** A model server on this machine with its models. */
export interface LocalModels {
  readonly server: "Ollama" | "LM Studio";
  /** For NIGHTSHIFT_MODEL_BASE_URL. */
  readonly baseUrl: string;
  /** Names for NIGHTSHIFT_MODEL, each after `openai-compatible:`. */
  readonly models: readonly string[];
}

const LOCAL_SERVERS: readonly Omit<LocalModels, "models">[] = [
  { server: "Ollama", baseUrl: "http://127.0.0.1:11434/v1" },
  { server: "LM Studio", baseUrl: "http://127.0.0.1:1234/v1" },
];

const PROBE_MS = 500;
const ANSWER_MS = 3_000;
const MAX_MODELS = 50;
const listing = z.object({ data: z.array(z.object({ id: z.string() })).nullish() });

/** The local model servers that answer on their usual ports. Never rejects: others are left out. */
export async function findLocalModels(
  servers: readonly Omit<LocalModels, "models">[] = LOCAL_SERVERS,
  signal?: AbortSignal,
): Promise<readonly LocalModels[]> {
  const found = await Promise.all(servers.map((server) => probe(server, signal)));
  return found.filter((models) => models !== undefined);
}

/** True when a server answers at the address, whatever it says. Never rejects. */
export async function answers(baseUrl: string): Promise<boolean> {
  const plain = new URL(baseUrl);
  plain.username = "";
  plain.password = "";
  try {
    await fetch(plain, { method: "HEAD", redirect: "manual", signal: AbortSignal.timeout(ANSWER_MS) });
    return true;
  } catch {
    return false;
  }
}

async function probe(
  server: Omit<LocalModels, "models">,
  signal: AbortSignal | undefined,
): Promise<LocalModels | undefined> {
  const timeout = AbortSignal.timeout(PROBE_MS);
  try {
    const response = await fetchBounded(`${server.baseUrl}/models`, {
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    if (!response.ok) return undefined;
    const { data } = listing.parse(await response.json());
    return { ...server, models: (data ?? []).slice(0, MAX_MODELS).map(({ id }) => id) };
  } catch {
    return undefined;
  }
}
