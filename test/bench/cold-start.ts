import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BARE_STDIO, hasYardsticks, measure, ROOT } from "./yardstick.ts";

export interface ColdStart {
  readonly name: string;
  readonly medianMs: number;
  readonly yardstickMs: number;
  readonly ratio: number;
  readonly atMost: number;
}

/** From spawning a stdio server to its first `tools/list`, beside the plain SDK server, in turns in one run. */
export async function benchColdStart(): Promise<ColdStart[]> {
  if (!hasYardsticks()) return [];
  const data = await mkdtemp(join(tmpdir(), "nightshift-bench-"));
  const time = async (command: readonly string[]) =>
    (await measure("coldstart.mjs", ["-n", "15", "--", ...command])).medianMs ?? Number.NaN;
  try {
    const rows: ColdStart[] = [];
    for (const [name, cli, atMost] of [
      ["built package", "dist/cli.js", 0.95],
      ["from source", "src/cli.ts", 1.5],
    ] as const) {
      const yardstickMs = await time(BARE_STDIO);
      const medianMs = await time([process.execPath, join(ROOT, cli), "stdio", "--data", data]);
      rows.push({ name, medianMs, yardstickMs, ratio: Number((medianMs / yardstickMs).toFixed(2)), atMost });
    }
    return rows;
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

if (import.meta.main) console.table(await benchColdStart());
