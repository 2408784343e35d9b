import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { openEmbedder } from "../../src/model/embeddings.ts";

/** Words of one meaning. Each group is a direction of the vectors. */
const MEANINGS = [
  "family sister brother mother",
  "portugal lisbon porto",
  "drink tea coffee milk",
  "music violin drums piano",
].map((words) => new Set(words.split(" ")));

interface Reply {
  readonly status?: number;
}

/** A call to the server. */
export interface EmbeddingCall {
  readonly model: string;
  readonly texts: readonly string[];
}

/**
 * An OpenAI-compatible server of embeddings whose vectors follow a script: they count words of four meanings. It does
 * not pretend to be a model: a header and the id of its model say what it is. `reply` may refuse a call.
 */
export async function startEmbeddings(reply: (call: EmbeddingCall) => Reply = () => ({})) {
  const calls: EmbeddingCall[] = [];
  const server = createServer(async (request, response) => {
    const { model, input } = JSON.parse(await text(request)) as { model: string; input: string[] };
    const call = { model, texts: input };
    calls.push(call);
    const { status = 200 } = reply(call);
    response.writeHead(status, { "content-type": "application/json", "x-scripted": "yes" });
    // Like some providers, it repeats what it was sent when it fails.
    if (status !== 200)
      return response.end(JSON.stringify({ error: { message: `not ${input.join(", ")}` } }));
    const data = input.map((one, index) => ({ object: "embedding", index, embedding: vectorOf(one) }));
    response.end(
      JSON.stringify({ object: "list", model, data, usage: { prompt_tokens: 1, total_tokens: 1 } }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  onTestFinished(stop);
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return {
    calls,
    baseUrl,
    stop,
    embedder: (id = "scripted") =>
      openEmbedder({
        embeddings: `openai-compatible:${id}`,
        embeddingsBaseUrl: baseUrl,
        embeddingsApiKey: undefined,
      }),
  };
}

function vectorOf(one: string): number[] {
  const words = one.toLowerCase().match(/[a-z]+/g) ?? [];
  return [...MEANINGS.map((group) => words.filter((word) => group.has(word)).length), 0.1];
}
