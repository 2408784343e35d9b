// Calls whoami as many users at a given rate, whether or not the answers keep up, and prints how long they took.
// node crowd-load.ts '{"url": …, "tokens": […], "users": 200, "callsPerSecond": 2000, "seconds": 10, "caller": "…/mcp-http.mjs"}'
import { pathToFileURL } from "node:url";

interface Load {
  readonly url: string;
  readonly tokens?: readonly string[];
  readonly users: number;
  readonly callsPerSecond: number;
  readonly seconds: number;
  readonly caller: string;
}

const load = JSON.parse(process.argv[2] ?? "{}") as Load;
const { caller } = await import(pathToFileURL(load.caller).href);
const users = Array.from({ length: load.users }, (_, i) =>
  caller({ url: load.url, token: load.tokens?.[i], conns: 4 }),
);
await Promise.all(users.map((user) => user.modern("tools/call", { name: "whoami", arguments: {} })));

const latencies: number[] = [];
const calls: Promise<void>[] = [];
let failures = 0;
const start = performance.now();
const end = start + load.seconds * 1000;
let next = start;
while (next < end) {
  const late = next - performance.now();
  if (late > 0) await new Promise((resolve) => setTimeout(resolve, late));
  // Timed from when the call was due: waiting for a free caller counts too.
  for (
    ;
    next <= performance.now() && next < end;
    next += (-Math.log(Math.random()) * 1000) / load.callsPerSecond
  ) {
    const due = next;
    const user = users[Math.floor(Math.random() * users.length)];
    calls.push(
      user.modern("tools/call", { name: "whoami", arguments: {} }).then(({ status }: { status: number }) => {
        if (status !== 200) failures += 1;
        latencies.push(performance.now() - due);
      }),
    );
  }
}
await Promise.all(calls);
latencies.sort((a, b) => a - b);
const at = (share: number) => Number(latencies[Math.floor(latencies.length * share)]?.toFixed(2));
console.log(JSON.stringify({ calls: latencies.length, failures, p50ms: at(0.5), p99ms: at(0.99) }));
process.exit(failures > 0 ? 1 : 0);
