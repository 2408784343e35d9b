import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planDue } from "../../src/jobs/catch-up.ts";
import { DEFAULT_POLICY } from "../../src/jobs/job.ts";
import { median, ROOT } from "./yardstick.ts";

const TIMES = 10;
const CLI = join(ROOT, "dist/cli.js");

export interface Delay {
  readonly name: string;
  readonly medianMs: number;
  readonly atMost: number;
}

/** Time that people wait for something, which a test cannot assert on a busy machine. */
export async function benchDelays(): Promise<Delay[]> {
  const data = await mkdtemp(join(tmpdir(), "nightshift-bench-"));
  try {
    return [
      await measure("planning after a year of missed hours", 250, planYear),
      await measure("the demo from start to end", 15_000, async () => {
        const start = performance.now();
        await once(run(["demo", "--json"]), "exit");
        return performance.now() - start;
      }),
      await measure("a stdio server's end after SIGTERM", 5_000, () => endServer(data)),
    ];
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

async function measure(name: string, atMost: number, time: () => Promise<number> | number): Promise<Delay> {
  const times: number[] = [];
  for (let i = 0; i < TIMES; i++) times.push(await time());
  return { name, medianMs: Number(median(times).toFixed(1)), atMost };
}

function planYear(): number {
  const job = {
    jobId: "job_1",
    schedule: { kind: "cron", cron: "0 * * * *" },
    timezone: "Europe/Berlin",
    policy: DEFAULT_POLICY,
  } as const;
  const start = performance.now();
  planDue(job, Date.UTC(2026, 0, 1), Date.UTC(2026, 11, 31, 23, 30));
  return performance.now() - start;
}

async function endServer(data: string): Promise<number> {
  const server = run(["stdio", "--data", data]);
  server.stdin?.write(
    `${JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: {
        protocolVersion: "2025-11-25",
        capabilities: {},
        clientInfo: { name: "bench", version: "1" },
      },
    })}\n`,
  );
  if (server.stdout) await once(server.stdout, "data");
  const start = performance.now();
  server.kill("SIGTERM");
  await once(server, "exit");
  return performance.now() - start;
}

const run = (args: readonly string[]): ChildProcess =>
  spawn(process.execPath, [CLI, ...args], { stdio: ["pipe", "pipe", "ignore"] });

if (import.meta.main) console.table(await benchDelays());
