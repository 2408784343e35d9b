import { describe, expect, it, vi } from "vitest";
import { startEmbeddings } from "./embedding-server.ts";
import type { FactStorage, NewFactStorage } from "./fact-backends.ts";
import { ALICE, BOB } from "./fact-store-contract.ts";

const DAY_MS = 86_400_000;
const SISTER = "My sister lives in Lisbon.";
const OTHERS = ["Tea is in the cupboard.", "Anna plays the violin.", "The boiler is old."];
const QUERY = "family member in Portugal";

type Server = Awaited<ReturnType<typeof startEmbeddings>>;

/** Recall by meaning, on one kind of storage. */
export function factMeaningContract(name: string, newStorage: NewFactStorage): void {
  describe(`recall by meaning on ${name}`, () => {
    const openWith = (storage: FactStorage, server: Server, model?: string) => {
      const failures: object[] = [];
      const onEmbedderFailure = (failure: object) => failures.push(failure);
      const backend = storage.open({ embedder: server.embedder(model), onEmbedderFailure });
      return { backend, failures, alice: backend.open(ALICE) };
    };
    const saveAll = async (store: { save(fact: { text: string }): Promise<unknown> }) => {
      for (const text of [SISTER, ...OTHERS]) await store.save({ text });
    };
    const vectorsIn = (raw: ReturnType<FactStorage["openRaw"]>) => async (count: number, model?: string) => {
      const rows = (await raw.query("SELECT key, model FROM fact_vectors")) as {
        key: string;
        model: string;
      }[];
      expect(rows).toHaveLength(count);
      if (model) for (const row of rows) expect(row.model).toBe(`openai-compatible:${model}`);
    };
    const eventually = (check: () => Promise<unknown>) =>
      vi.waitFor(check, { timeout: 20_000, interval: 20 });

    it("finds a fact that has no word of the query, once its vector is there", async () => {
      const storage = await newStorage();
      const server = await startEmbeddings();
      const { alice } = openWith(storage, server);
      expect(await alice.recall(QUERY)).toEqual([]);
      await saveAll(alice);
      await eventually(async () => expect((await alice.recall(QUERY))[0]?.text).toBe(SISTER));
      const found = await alice.recall(QUERY);
      expect(found.map(({ text, score }) => [text, score])).toEqual([[SISTER, 1]]);
      expect(await alice.recall(QUERY, { tags: ["none"] })).toEqual([]);
      expect((await alice.recall("old boiler"))[0]?.text).toBe("The boiler is old.");
    });

    it("asks once for a query, and for no text that has its vector, in another process either", async () => {
      const storage = await newStorage();
      const server = await startEmbeddings();
      const { alice } = openWith(storage, server);
      await saveAll(alice);
      const checkVectors = vectorsIn(storage.openRaw());
      await eventually(() => checkVectors(4));
      for (let i = 0; i < 3; i++) await alice.recall(QUERY);
      const asked = server.calls.flatMap(({ texts }) => texts);
      expect(asked.toSorted()).toEqual([SISTER, ...OTHERS, QUERY].toSorted());
      const other = openWith(storage, server);
      expect((await other.alice.recall(QUERY))[0]?.text).toBe(SISTER);
      expect(server.calls.flatMap(({ texts }) => texts)).toHaveLength(6);
    });

    it("forgets the vector with the fact, and with a fact that expires", async () => {
      const storage = await newStorage();
      const server = await startEmbeddings();
      let nowMs = Date.now();
      const backend = storage.open({ embedder: server.embedder(), now: () => nowMs });
      const alice = backend.open(ALICE);
      const { factId } = await alice.save({ text: SISTER });
      await alice.save({ text: "My brother lives in Porto.", expiresInDays: 1 });
      await alice.save({ text: "Tea is nice." });
      const checkVectors = vectorsIn(storage.openRaw());
      await eventually(() => checkVectors(3));
      await alice.forget(factId);
      await checkVectors(2);
      expect((await alice.recall(QUERY)).map(({ text }) => text)).toEqual(["My brother lives in Porto."]);
      nowMs += 2 * DAY_MS;
      expect((await alice.recall(QUERY)).map(({ text }) => text)).not.toContain("My brother lives in Porto.");
      await eventually(() => checkVectors(1));
    });

    it("makes all vectors again for another model", async () => {
      const storage = await newStorage();
      const server = await startEmbeddings();
      const first = openWith(storage, server, "first");
      await saveAll(first.alice);
      const checkVectors = vectorsIn(storage.openRaw());
      await eventually(() => checkVectors(4, "first"));
      await first.backend.close();
      const second = openWith(storage, server, "second");
      await second.alice.recall(QUERY);
      await eventually(() => checkVectors(4, "second"));
      expect((await second.alice.recall(QUERY))[0]?.text).toBe(SISTER);
    });

    it("goes by words while the provider is away, tells it once without texts, and asks it later", async () => {
      const storage = await newStorage();
      let isAway = true;
      const server = await startEmbeddings(() => ({ status: isAway ? 503 : 200 }));
      const { alice, failures } = openWith(storage, server);
      await saveAll(alice);
      await eventually(async () => expect(failures).toHaveLength(1));
      const calls = server.calls.length;
      const plain = storage.open().open(ALICE);
      for (const query of ["sister", "old boiler", QUERY])
        expect(await alice.recall(query)).toEqual(await plain.recall(query));
      expect(failures).toEqual([{ code: "MODEL_UNAVAILABLE", status: 503 }]);
      expect(server.calls).toHaveLength(calls);
      isAway = false;
      const checkVectors = vectorsIn(storage.openRaw());
      await eventually(() => checkVectors(4));
    });

    it("leaves out a text that the provider refuses", async () => {
      const storage = await newStorage();
      const server = await startEmbeddings(({ texts }) => ({
        status: texts.some((text) => text.includes("boiler")) ? 400 : 200,
      }));
      const { alice, failures } = openWith(storage, server);
      await Promise.all([SISTER, ...OTHERS].map((text) => alice.save({ text })));
      const checkVectors = vectorsIn(storage.openRaw());
      await eventually(() => checkVectors(3));
      await alice.save({ text: "Another boiler is new." });
      await eventually(async () => expect(server.calls.at(-1)?.texts).toEqual(["Another boiler is new."]));
      expect(failures).toEqual([{ code: "MODEL_FAILED", status: 400 }]);
      expect((await alice.recall(QUERY))[0]?.text).toBe(SISTER);
      expect((await alice.recall("old boiler"))[0]?.text).toBe("The boiler is old.");
    });

    it("pauses for the user alone whose text the provider fails on", async () => {
      const storage = await newStorage();
      const server = await startEmbeddings(({ texts }) => ({
        status: texts.some((text) => text.includes("boiler")) ? 500 : 200,
      }));
      const { alice, backend, failures } = openWith(storage, server);
      await backend.open(BOB).save({ text: "The boiler is old." });
      await eventually(async () => expect(failures).toHaveLength(1));
      await alice.save({ text: SISTER });
      await alice.save({ text: "Tea is nice." });
      await eventually(async () => expect((await alice.recall(QUERY))[0]?.text).toBe(SISTER));
    });

    it("sends no two users' texts together, and shares no vector between them", async () => {
      const storage = await newStorage();
      const server = await startEmbeddings();
      const { alice, backend } = openWith(storage, server);
      const bob = backend.open(BOB);
      await Promise.all([
        ...Array.from({ length: 20 }, (_, i) => alice.save({ text: `Alice ${i} sister` })),
        ...Array.from({ length: 20 }, (_, i) => bob.save({ text: `Bob ${i} tea` })),
      ]);
      const checkVectors = vectorsIn(storage.openRaw());
      await eventually(() => checkVectors(40));
      for (const { texts } of server.calls)
        expect(new Set(texts.map((text) => text.split(" ")[0])).size).toBe(1);
      await alice.recall(QUERY);
      const before = server.calls.length;
      const found = await bob.recall(QUERY, { limit: 100 });
      expect(server.calls).toHaveLength(before + 1);
      expect(found.filter(({ text }) => text.startsWith("Alice"))).toEqual([]);
    });
  });
}
