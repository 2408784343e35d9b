import { hasYardsticks, measure, median, type Started, startBare, startBuilt } from "./yardstick.ts";

export interface HttpFigure {
  readonly name: string;
  readonly ours: number;
  readonly yardstick: number;
  readonly ratio: number;
  readonly atMost: number;
}

const ROUNDS = 5;
const LOADS = [
  {
    name: "CPU us, tools/call whoami, 2026 era",
    args: ["--era", "modern", "--method", "tools/call"],
    atMost: 0.85,
  },
  { name: "CPU us, tools/list, 2026 era", args: ["--era", "modern", "--method", "tools/list"], atMost: 0.5 },
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

/** Server CPU a call and memory a session, beside the plain SDK server, measured in turns in one run. */
export async function benchHttp(): Promise<HttpFigure[]> {
  if (!hasYardsticks()) return [];
  const [bare, built] = [await startBare(), await startBuilt()];
  try {
    // Memory comes first, while both heaps are small: later they have free space to use up.
    const sessions = async (server: Started) =>
      (await measure("sessions.mjs", [...target(server), "--n", "2000"])).kibPerSession ?? 0;
    const figures = [
      compare("KiB an idle session, 2025 era", await sessions(built), await sessions(bare), 0.9),
    ];
    for (const { name, args, atMost } of LOADS) {
      const [ours, theirs]: [number[], number[]] = [[], []];
      for (let round = 0; round < ROUNDS; round++) {
        theirs.push(
          (await measure("load.mjs", [...target(bare), ...args, "--seconds", "3"])).cpuUsPerCall ?? 0,
        );
        ours.push(
          (await measure("load.mjs", [...target(built), ...args, "--seconds", "3"])).cpuUsPerCall ?? 0,
        );
      }
      figures.push(compare(name, median(ours), median(theirs), atMost));
    }
    return figures;
  } finally {
    await Promise.all([bare.stop(), built.stop()]);
  }
}

const compare = (name: string, ours: number, yardstick: number, atMost: number): HttpFigure => ({
  name,
  ours,
  yardstick,
  ratio: Number((ours / yardstick).toFixed(2)),
  atMost,
});

if (import.meta.main) console.table(await benchHttp());
