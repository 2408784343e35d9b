import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Toolkit } from "../../src/index.ts";
import { median, ROOT } from "./yardstick.ts";

/** Seconds measured in each zone. */
const MINUTES = Number(process.env.MINUTES ?? 2);
/** Whole, half and quarter hours from UTC, both sides, with and without daylight saving. */
const ZONES = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "Asia/Kolkata",
  "Asia/Kathmandu",
  "Pacific/Chatham",
];

/** A job of every second, in one zone after the other: how far from its second the first line of its code runs. */
export async function benchEverySecond(): Promise<object[]> {
  const dir = await mkdtemp(join(tmpdir(), "nightshift-bench-"));
  const built = (await import(join(ROOT, "dist/index.js"))) as typeof import("../../src/index.ts");
  const figures: object[] = [];
  for (const timezone of ZONES) {
    const jobsDir = join(dir, timezone.replaceAll(/\W/g, "-"));
    await mkdir(jobsDir);
    await writeFile(
      join(jobsDir, "tick.js"),
      `const at = Date.now(); export default { cron: "* * * * * *", timezone: "${timezone}", run: () => at };`,
    );
    const dataDir = join(jobsDir, "data");
    const night = await built.createNightshift({ dataDir, jobsDir, user: "bench", logLevel: "error" });
    await wait(MINUTES * 60_000);
    const person = await night.openContext({ user: "bench" });
    const off = (await outputs(person)).map(({ output, due }) => output - due).toSorted((a, b) => a - b);
    const p99Ms = off[Math.floor(off.length * 0.99)];
    figures.push({ timezone, runs: off.length, medianMs: median(off), p99Ms, atMost: 20 });
    await person.dispose();
    await night.close();
  }
  await rm(dir, { recursive: true, force: true });
  return figures;
}

async function outputs(person: Toolkit): Promise<{ output: number; due: number }[]> {
  const ask = async (name: string, args: object) =>
    (await person.call(name, args)).structuredContent as never;
  const found: { output: number; due: number }[] = [];
  let cursor: string | undefined;
  do {
    const page: Page = await ask("list_runs", { status: "succeeded", limit: 100, ...(cursor && { cursor }) });
    for (const { run_id, scheduled_for } of page.runs) {
      const { output }: { output: string } = await ask("get_run", { run_id });
      found.push({ output: Number(output), due: Date.parse(scheduled_for) });
    }
    cursor = page.next_cursor;
  } while (cursor);
  return found;
}

interface Page {
  readonly runs: readonly { readonly run_id: string; readonly scheduled_for: string }[];
  readonly next_cursor?: string;
}

if (import.meta.main) console.table(await benchEverySecond());
