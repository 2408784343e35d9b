// npm run bench [-- name …]: every figure that has a number, beside its yardstick. Never part of the tests.
const BENCHES: Record<string, () => Promise<unknown>> = {
  "cold-start": async () => (await import("./cold-start.ts")).benchColdStart(),
  delays: async () => (await import("./delays.ts")).benchDelays(),
  recall: async () => (await import("./recall.ts")).benchRecall(),
  "recall-postgres": async () => (await import("./recall-postgres.ts")).benchRecallPostgres(),
  ghosts: async () => (await import("./ghosts.ts")).benchGhosts(),
  "million-jobs": async () => (await import("./million-jobs.ts")).benchMillionJobs(),
  nodes: async () => (await import("./nodes.ts")).benchNodes(),
  waiting: async () => (await import("./waiting.ts")).benchWaiting(),
  drain: async () => (await import("./drain.ts")).benchDrain(),
  "every-second": async () => (await import("./every-second.ts")).benchEverySecond(),
  http: async () => (await import("./http.ts")).benchHttp(),
  turns: async () => (await import("./turns.ts")).benchTurns(),
  day: async () => (await import("./day.ts")).benchDay(),
  crowd: async () => (await import("./crowd.ts")).benchCrowd(),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(`There is no bench "${unknown[0]}"; there are ${Object.keys(BENCHES).join(", ")}.`);
  process.exit(2);
}
for (const name of wanted.length > 0 ? wanted : Object.keys(BENCHES)) {
  console.log(`\n${name}`);
  const figures = await BENCHES[name]?.();
  if (Array.isArray(figures) && figures.length === 0)
    console.log("skipped: no yardsticks beside this folder");
  else console.table(figures);
}
