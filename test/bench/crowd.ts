import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { hasYardsticks, measure, median, SHARED, type Started, startBare, startBuilt } from "./yardstick.ts";

const run = promisify(execFile);
const USERS = 200;
const ROUNDS = 5;
const LOAD = 0.7;

/** The time of a call while 200 users make as many as 70 % of what the plain SDK server can answer, on both servers. */
export async function benchCrowd(): Promise<object[]> {
  if (!hasYardsticks()) return [];
  const [bare, built] = [await startBare(), await startBuilt(USERS)];
  try {
    const { callsPerSecond: most = 0 } = await measure("load.mjs", ["--url", bare.url, "--seconds", "3"]);
    const callsPerSecond = Math.round(most * LOAD);
    const [ours, theirs]: [Latency[], Latency[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      theirs.push(await latency(bare, callsPerSecond));
      ours.push(await latency(built, callsPerSecond));
    }
    return (["p50ms", "p99ms"] as const).map((at) => {
      const [own, yardstick] = [ours, theirs].map((all) => median(all.map((one) => one[at]))) as [
        number,
        number,
      ];
      const name = `${at} of a call, ${USERS} users, ${callsPerSecond} calls/s`;
      return { name, ours: own, yardstick, ratio: Number((own / yardstick).toFixed(2)), atMost: 2 };
    });
  } finally {
    await Promise.all([bare.stop(), built.stop()]);
  }
}

interface Latency {
  readonly p50ms: number;
  readonly p99ms: number;
}

async function latency({ url, tokens }: Started, callsPerSecond: number): Promise<Latency> {
  const load = {
    url,
    tokens,
    users: USERS,
    callsPerSecond,
    seconds: 5,
    caller: join(SHARED, "mcp-http.mjs"),
  };
  const script = join(import.meta.dirname, "crowd-load.ts");
  const { stdout } = await run(process.execPath, [script, JSON.stringify(load)]);
  return JSON.parse(stdout) as Latency;
}
