import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { KeyvSqlite } from "@keyv/sqlite";
import type { Embedder } from "../../src/facts/embedder.ts";
import { openKeyvFacts } from "../../src/facts/keyv.ts";
import type { FactBackend, FactStore } from "../../src/facts/store.ts";
import { openSentenceModel, waitForVectors } from "./meaning.ts";
import { median } from "./yardstick.ts";

/** One measured figure. `yardstick` says what it is to be compared with. */
export interface BenchRow {
  readonly name: string;
  readonly value: string;
  readonly yardstick: string;
}

/** Where the facts are: a file or a Postgres database. */
export type At = { readonly file: string } | { readonly databaseUrl: string };

interface Text {
  readonly text: string;
  readonly ids: readonly string[];
}
interface Conversation {
  readonly facts: readonly Text[];
  readonly turns: readonly Text[];
  readonly questions: readonly { question: string; evidence: readonly string[] }[];
}

const DATA_FILE = new URL("../../../shared/data/locomo-dev.json", import.meta.url);
export const LIMITS = { maxFacts: 1_000_000, maxBytes: 2 ** 40, maxFactBytes: 100_000 };
const USERS = 10_000;
const FACTS_PER_USER = 100;
const FACTS_OF_ONE = 10_000;
const SAMPLE = 300;
const ROWS_PER_INSERT = 10_000;
const QUESTIONS = [
  "Where did Anna put the garden keys?",
  "What does Jon like to eat for dinner?",
  "When was the last meeting about the budget?",
  "Which books has Maria read on her journey?",
  "Who plays the violin?",
];
const WORDS =
  `Anna Jon Maria Bert likes keeps reads plays visited bought painted planned the a her his with about
  garden keys kitchen dinner rice bread meeting budget report books novel journey train violin piano lesson
  doctor dentist birthday sister brother office desk window summer winter Monday Friday morning evening dog
  cat bicycle river mountain museum ticket password printer invoice customer contract school teacher`.split(
    /\s+/,
  );

/** Recall of LoCoMo's development part, and the times of recall in large files. Takes about a minute. */
export async function benchRecall(): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), "nightshift-bench-recall-"));
  try {
    return [
      ...(await qualityOf("facts", { file: join(folder, "facts.sqlite") })),
      ...(await qualityOf("turns", { file: join(folder, "turns.sqlite") })),
      ...(await qualityOf("facts", { file: join(folder, "meaning.sqlite") }, await openSentenceModel())),
      ...(await manyUsers(join(folder, "many.sqlite"))),
      ...(await oneUser(join(folder, "one.sqlite"))),
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

/**
 * Saves the facts one after the other through the real store, and recalls them by question: by words, and by meaning
 * too when there is an embedder. Beside it SQLite's BM25 on the same.
 */
export async function qualityOf(kind: "facts" | "turns", at: At, embedder?: Embedder): Promise<BenchRow[]> {
  if (!existsSync(DATA_FILE)) return [{ name: `quality, ${kind}`, value: "skipped: no data", yardstick: "" }];
  const conversations = JSON.parse(readFileSync(DATA_FILE, "utf8")) as Conversation[];
  const backend = openKeyvFacts({ ...at, limits: LIMITS, embedder });
  const ours = await measure(conversations, kind, async (texts, user) => {
    const store = backend.open(keyOf(user));
    const ids: string[] = [];
    for (const text of texts) ids.push((await store.save({ text })).factId);
    if (embedder && "file" in at) await waitForVectors(at.file);
    return {
      ids,
      find: async (question) => (await store.recall(question, { limit: 10 })).map(({ factId }) => factId),
    };
  });
  await backend.close();
  const plain = await measure(conversations, kind, async (texts) => openPorterBm25(texts));
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const row = (name: "hit" | "recall"): BenchRow => ({
    name: `${name}@10, ${kind}${embedder ? ", by meaning too" : ""}`,
    value: percent(ours[name]),
    yardstick: `porter BM25 on the same: ${percent(plain[name])}`,
  });
  return [row("hit"), row("recall")];
}

interface Finder {
  /** Of the texts, in their order. */
  readonly ids: readonly string[];
  find(question: string): Promise<readonly string[]>;
}

/** Shares of all questions: with a piece of evidence among the first ten, and of the evidence that is among them. */
async function measure(
  conversations: readonly Conversation[],
  kind: "facts" | "turns",
  open: (texts: readonly string[], user: number) => Promise<Finder>,
): Promise<{ hit: number; recall: number }> {
  let questions = 0;
  let hits = 0;
  let recall = 0;
  for (const [user, conversation] of conversations.entries()) {
    const texts = conversation[kind];
    const { ids, find } = await open(
      texts.map(({ text }) => text),
      user,
    );
    const evidenceOf = Map.groupBy(texts.keys(), (i) => ids[i] ?? "");
    for (const { question, evidence } of conversation.questions) {
      const found = new Set(
        (await find(question)).flatMap((id) =>
          (evidenceOf.get(id) ?? []).flatMap((i) => texts[i]?.ids ?? []),
        ),
      );
      const share = evidence.filter((id) => found.has(id)).length / evidence.length;
      questions += 1;
      hits += share > 0 ? 1 : 0;
      recall += share;
    }
  }
  return { hit: hits / questions, recall: recall / questions };
}

/** SQLite's full-text search with its porter stemmer: any word of the question, ranked by BM25. */
function openPorterBm25(texts: readonly string[]): Finder {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE VIRTUAL TABLE facts USING fts5(text, tokenize = 'porter unicode61')");
  const insert = database.prepare("INSERT INTO facts (rowid, text) VALUES (?, ?)");
  for (const [i, text] of texts.entries()) insert.run(i, text);
  const select = database.prepare(
    "SELECT rowid FROM facts WHERE facts MATCH ? ORDER BY bm25(facts) LIMIT 10",
  );
  return {
    ids: texts.map((_, i) => String(i)),
    find: async (question) => {
      const words = question.match(/[\p{L}\p{N}]+/gu) ?? [];
      return select.all(words.map((word) => `"${word}"`).join(" OR ")).map(({ rowid }) => String(rowid));
    },
  };
}

async function manyUsers(file: string): Promise<BenchRow[]> {
  await fillFile(file, USERS, FACTS_PER_USER);
  const backend = openKeyvFacts({ file, limits: LIMITS });
  await timeRecalls([backend.open(keyOf(0))]);
  const stores = Array.from({ length: SAMPLE }, (_, i) => backend.open(keyOf((i * 31 + 1) % USERS)));
  const coldMs = await timeRecalls(stores);
  const warmMs = await timeRecalls(stores);
  const savedMs = await timeSaves(backend);
  await backend.close();
  const what = `${USERS} users x ${FACTS_PER_USER} facts`;
  return [
    { name: `recall cold, ${what}`, value: `${median(coldMs).toFixed(2)} ms`, yardstick: "5 ms" },
    { name: `recall warm, ${what}`, value: `${median(warmMs).toFixed(2)} ms`, yardstick: "1 ms" },
    { name: `save, ${what}`, value: `${median(savedMs).toFixed(2)} ms`, yardstick: "" },
  ];
}

async function oneUser(file: string): Promise<BenchRow[]> {
  await fillFile(file, 1, FACTS_OF_ONE);
  const coldMs: number[] = [];
  let warmMs: number[] = [];
  for (let i = 0; i < 5; i++) {
    const backend = openKeyvFacts({ file, limits: LIMITS });
    // Another user's: opens the file and loads the libraries, but not the user that is measured.
    await backend.open(keyOf(9)).recall("anything");
    const stores = Array.from({ length: 100 }, () => backend.open(keyOf(0)));
    coldMs.push(...(await timeRecalls(stores.slice(0, 1))));
    warmMs = await timeRecalls(stores);
    await backend.close();
  }
  return [
    {
      name: `recall cold, one user of ${FACTS_OF_ONE} facts`,
      value: `${median(coldMs).toFixed(0)} ms`,
      yardstick: "",
    },
    {
      name: `recall warm, one user of ${FACTS_OF_ONE} facts`,
      value: `${median(warmMs).toFixed(2)} ms`,
      yardstick: "20 ms",
    },
  ];
}

export async function timeRecalls(stores: readonly FactStore[]): Promise<number[]> {
  const timesMs: number[] = [];
  for (const [i, store] of stores.entries()) {
    const startMs = performance.now();
    await store.recall(QUESTIONS[i % QUESTIONS.length] ?? "");
    timesMs.push(performance.now() - startMs);
  }
  return timesMs;
}

async function timeSaves(backend: FactBackend): Promise<number[]> {
  const timesMs: number[] = [];
  for (let i = 0; i < SAMPLE; i++) {
    const startMs = performance.now();
    await backend.open(keyOf((i * 31 + 1) % USERS)).save({ text: `one more thing to remember, number ${i}` });
    timesMs.push(performance.now() - startMs);
  }
  return timesMs;
}

/** Rows as Keyv would write them, in batches; users take turns, so that each one's rows lie scattered. */
export function* rowsOf(users: number, factsPerUser: number): Generator<string> {
  const random = randomFrom(7);
  let rows: [string, string][] = [];
  for (let n = 0; n < users * factsPerUser; n++) {
    const position = Math.floor(n / users) + 1;
    const words = Array.from({ length: 14 }, () => WORDS[Math.floor(random() * WORDS.length)]);
    const text = `${words.join(" ")} ${Math.floor(random() * 5_000)}`;
    const factId = `fact_${n.toString(16).padStart(24, "0")}`;
    const value = { factId, text, tags: [], createdAt: 1_750_000_000_000 + n, position };
    rows.push([`${keyOf(n % users)}:${factId}`, JSON.stringify({ value })]);
    if (rows.length < ROWS_PER_INSERT && n + 1 < users * factsPerUser) continue;
    yield JSON.stringify(rows);
    rows = [];
  }
}

export async function fillFile(file: string, users: number, factsPerUser: number): Promise<void> {
  const adapter = new KeyvSqlite({ uri: `sqlite://${file}` });
  for (const pragma of ["journal_mode = OFF", "synchronous = OFF", "cache_size = -400000"]) {
    await adapter.query(`PRAGMA ${pragma}`);
  }
  const insert = "INSERT INTO keyv SELECT value ->> 0, value ->> 1 FROM json_each(?)";
  for (const rows of rowsOf(users, factsPerUser)) await adapter.query(insert, rows);
  await adapter.close();
}

/** Spread over the whole range, as digests are. */
export function keyOf(user: number): string {
  return ((user * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, "0").repeat(8);
}

/** The same numbers in every run (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

if (import.meta.main) console.table(await benchRecall());
