// A process of its own that saves `count` facts, all at once or one by one, and prints what was acknowledged.
import { openKeyvFacts } from "../../src/facts/keyv.ts";
import { LIMITS } from "./limits.ts";

const [at = "", userKey = "", name = "", count = "0", maxFacts = "1000", mode = "parallel"] =
  process.argv.slice(2);
const backend = openKeyvFacts({
  ...JSON.parse(at),
  limits: { ...LIMITS, maxFacts: Number(maxFacts) },
  lockTimeoutMs: 15_000,
});
const store = backend.open(userKey);

async function save(i: number): Promise<void> {
  const outcome = await store.save({ text: `${name} saves number ${i}` }).then(
    ({ factId }) => factId,
    (error: { code?: string }) => error.code,
  );
  // Waits until the line is in the pipe: one that is still queued here would be lost when this process is killed.
  await new Promise<void>((written) => process.stdout.write(`${outcome}\n`, () => written()));
}

const numbers = Array.from({ length: Number(count) }, (_, i) => i);
if (mode === "parallel") await Promise.all(numbers.map(save));
else for (const i of numbers) await save(i);
await backend.close();
