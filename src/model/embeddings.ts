import type { EmbeddingModel } from "ai";
import type { Config } from "../config.ts";
import { NightshiftError } from "../errors.ts";
import type { Embedder } from "../facts/embedder.ts";
import { addressOf, splitName } from "./address.ts";
import { fetchBounded } from "./bounds.ts";
import { explainFailure } from "./failure.ts";

export type EmbeddingsConfig = Pick<Config, "embeddings" | "embeddingsBaseUrl" | "embeddingsApiKey">;

const OLLAMA_URL = "http://127.0.0.1:11434/v1";

/**
 * The configured embedding model, or undefined when there is none. The AI SDK and the provider are imported with the
 * first request. Its calls are not repeated: who makes vectors in the background waits and calls again.
 */
export function openEmbedder(config: EmbeddingsConfig): Embedder | undefined {
  const name = config.embeddings;
  if (!name) return undefined;
  const [provider, modelId] = splitName(name);
  const url = config.embeddingsBaseUrl ?? (provider === "ollama" ? OLLAMA_URL : undefined);
  const base = url === undefined ? undefined : new URL(url);
  if (provider === "openai-compatible" && !base)
    throw new NightshiftError(
      "CONFIG_INVALID",
      "An openai-compatible embedding model needs its address: set NIGHTSHIFT_EMBEDDINGS_BASE_URL.",
    );
  const apiKey = config.embeddingsApiKey;
  let loading: Promise<EmbeddingModel> | undefined;
  return {
    model: name,
    async embed(texts, signal) {
      try {
        loading ??= load(provider, modelId, base, apiKey);
        const { embedMany } = await import("ai");
        const model = await loading;
        return (await embedMany({ model, values: [...texts], abortSignal: signal, maxRetries: 0 }))
          .embeddings;
      } catch (error) {
        throw explainFailure(error, { provider, modelId, address: base, key: apiKey });
      }
    },
  };
}

async function load(
  provider: string,
  modelId: string,
  base: URL | undefined,
  apiKey: string | undefined,
): Promise<EmbeddingModel> {
  // The AI SDK would print its warnings to a stream that may be MCP's.
  globalThis.AI_SDK_LOG_WARNINGS = false;
  const settings = { ...(apiKey && { apiKey }), fetch: fetchBounded };
  if (provider === "openai") {
    const { createOpenAI } = await import("@ai-sdk/openai");
    return createOpenAI({ ...settings, ...(base && addressOf(base)) }).embeddingModel(modelId);
  }
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
  return createOpenAICompatible({ name: provider, ...settings, ...addressOf(base as URL) }).embeddingModel(
    modelId,
  );
}
