import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config.ts";
import { openEmbedder } from "../../src/model/embeddings.ts";
import { startEmbeddings } from "../facts/embedding-server.ts";

const SIGNAL = () => AbortSignal.timeout(10_000);
const NONE = { embeddingsBaseUrl: undefined, embeddingsApiKey: undefined };

describe("an embedding model", () => {
  it.each(["openai", "openai-compatible", "ollama"])(
    "of %s gives a vector for each text",
    async (provider) => {
      const server = await startEmbeddings();
      const embedder = openEmbedder({
        embeddings: `${provider}:scripted`,
        embeddingsBaseUrl: server.baseUrl,
        embeddingsApiKey: "sk-test",
      });
      expect(embedder?.model).toBe(`${provider}:scripted`);
      expect(await embedder?.embed(["tea and coffee", "my sister"], SIGNAL())).toEqual([
        [0, 0, 2, 0, 0.1],
        [1, 0, 0, 0, 0.1],
      ]);
      expect(server.calls).toEqual([{ model: "scripted", texts: ["tea and coffee", "my sister"] }]);
    },
  );

  it("is asked once, and fails with a code", async () => {
    const server = await startEmbeddings(() => ({ status: 503 }));
    const failing = server.embedder()?.embed(["tea"], SIGNAL());
    await expect(failing).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE" });
    expect(server.calls).toHaveLength(1);
    server.stop();
    await expect(server.embedder()?.embed(["tea"], SIGNAL())).rejects.toMatchObject({
      code: "MODEL_UNREACHABLE",
    });
  });

  it("is optional, and a wrong name or a missing address is told", () => {
    expect(openEmbedder({ embeddings: undefined, ...NONE })).toBeUndefined();
    expect(() => openEmbedder({ embeddings: "openai-compatible:x", ...NONE })).toThrow(
      "NIGHTSHIFT_EMBEDDINGS_BASE_URL",
    );
    expect(() => readConfig({}, { NIGHTSHIFT_EMBEDDINGS: "anthropic:x" })).toThrow("ollama:<id>");
  });
});
