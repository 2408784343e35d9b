import {
  hasYardsticks,
  measure,
  median,
  type Started,
  startBare,
  startBuilt,
  startFloor,
} from "./yardstick.ts";

export interface HttpFigure {
  readonly name: string;
  readonly ours: number;
  readonly yardstick: number;
  readonly ratio: number;
  readonly atMost: number;
  /** The floor's, and how often it goes into ours; absent where there is none. */
  readonly floor?: number;
  readonly floors?: number;
}

const ROUNDS = 5;
const LOADS = [
  {
    name: "CPU us, tools/call whoami, 2026 era",
    args: ["--era", "modern", "--method", "tools/call"],
    atMost: 0.5,
  },
  { name: "CPU us, tools/list, 2026 era", args: ["--era", "modern", "--method", "tools/list"], atMost: 0.25 },
  {
    name: "CPU us, tools/call whoami, 2025 era",
    args: ["--era", "legacy", "--method", "tools/call"],
    atMost: 1,
  },
] as const;

const target = ({ url, pid, token }: Started) => [
  "--url",
  url,
  "--pid",
  String(pid),
  ...(token ? ["--token", token] : []),
];

/** Server CPU a call and memory a session, beside the plain SDK server and the floor, in turns in one run. */
export async function benchHttp(): Promise<HttpFigure[]> {
  if (!hasYardsticks()) return [];
  const servers = { ours: await startBuilt(), yardstick: await startBare(), floor: await startFloor() };
  try {
    // Memory comes first, while both heaps are small: later they have free space to use up.
    const sessions = async (server: Started) =>
      (await measure("sessions.mjs", [...target(server), "--n", "2000"])).kibPerSession ?? 0;
    const [ours, yardstick] = [await sessions(servers.ours), await sessions(servers.yardstick)];
    const figures = [compare("KiB an idle session, 2025 era", 0.9, ours, yardstick)];
    for (const { name, args, atMost } of LOADS) {
      const [ours, yardstick, floor] = await measureInTurns(Object.values(servers), args);
      figures.push(compare(name, atMost, ours, yardstick, floor));
    }
    return figures;
  } finally {
    await Promise.all(Object.values(servers).map((server) => server.stop()));
  }
}

/** The middle of each server's figures. They take turns, because other programs make the machine slower for a while. */
async function measureInTurns(servers: readonly Started[], args: readonly string[]): Promise<number[]> {
  const figures: number[][] = servers.map(() => []);
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, server] of servers.entries()) {
      const { cpuUsPerCall = 0 } = await measure("load.mjs", [...target(server), ...args, "--seconds", "3"]);
      figures[i]?.push(cpuUsPerCall);
    }
  return figures.map(median);
}

const ratio = (a: number, b: number): number => Number((a / b).toFixed(2));

const compare = (name: string, atMost: number, ours = 0, yardstick = 0, floor?: number): HttpFigure => ({
  name,
  ours,
  yardstick,
  ratio: ratio(ours, yardstick),
  atMost,
  ...(floor !== undefined && { floor, floors: ratio(ours, floor) }),
});

if (import.meta.main) console.table(await benchHttp());
