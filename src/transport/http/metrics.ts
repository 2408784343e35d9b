import type { ServerResponse } from "node:http";
import type { Counter as CounterOf, Registry as RegistryOf } from "prom-client";
import type { RunStats } from "../../scheduler/run-stats.ts";
import { sendWhole } from "./responses.ts";

/** The counts and times that `/metrics` shows. No user, tool argument or id is among them. */
export interface Metrics {
  /** Counts a request and measures how long it takes. */
  count(path: string, res: ServerResponse): void;
  show(res: ServerResponse): Promise<void>;
}

export interface ReadGauge {
  readonly help: string;
  /** A gauge that rejects is left out of this scrape. */
  readonly read: () => number | Promise<number>;
}

/** Prometheus metrics of this process. `gauges` and `runStats` are read at each scrape. */
export async function createMetrics(
  runStats: Pick<RunStats, "runs" | "tokens">,
  gauges: Readonly<Record<string, ReadGauge>>,
): Promise<Metrics> {
  const { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } = await import("prom-client");
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: "nightshift_" });
  const labelNames = ["route", "status"] as const;
  const requests = new Counter({
    name: "nightshift_http_requests_total",
    help: "HTTP requests",
    labelNames,
    registers: [registry],
  });
  const seconds = new Histogram({
    name: "nightshift_http_request_seconds",
    help: "Time until a response ended",
    labelNames: ["route"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30],
    registers: [registry],
  });
  for (const [name, { help, read }] of Object.entries(gauges))
    new Gauge({
      name: `nightshift_${name}`,
      help,
      registers: [registry],
      async collect() {
        try {
          this.set(await read());
        } catch {
          this.remove();
        }
      },
    });
  showRunStats(runStats, Counter, registry);
  // Kept here, because prom-client takes longer to find a pair of labels than to count.
  const counters = new Map<string, { inc(): void }>();
  const counterOf = (route: string, status: number) => {
    const key = `${route} ${status}`;
    const known = counters.get(key) ?? requests.labels({ route, status: String(status) });
    counters.set(key, known);
    return known;
  };
  const timers = new Map<string, { observe(value: number): void }>();
  const timerOf = (route: string) => {
    const known = timers.get(route) ?? seconds.labels({ route });
    timers.set(route, known);
    return known;
  };
  const ROUTES = new Set(["/mcp", "/sse", "/messages", "/healthz", "/readyz", "/metrics"]);
  return {
    count(path, res) {
      const startedAt = performance.now();
      // A path that a caller made up must not become a label.
      const route = ROUTES.has(path) ? path : "other";
      res.once("close", () => {
        counterOf(route, res.statusCode).inc();
        timerOf(route).observe((performance.now() - startedAt) / 1000);
      });
    },
    async show(res) {
      sendWhole(res, 200, { "content-type": registry.contentType }, await registry.metrics());
    },
  };
}

function showRunStats(
  { runs, tokens }: Pick<RunStats, "runs" | "tokens">,
  Counter: typeof CounterOf,
  registry: RegistryOf,
): void {
  const show = (name: string, help: string, label: string, values: () => Iterable<[string, number]>) =>
    new Counter({
      name: `nightshift_${name}`,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        this.reset();
        for (const [value, count] of values()) this.inc({ [label]: value }, count);
      },
    });
  show("runs_total", "Runs that ended on this node", "status", () => runs);
  show("model_tokens_total", "Model tokens of runs that ended on this node", "direction", () =>
    Object.entries(tokens),
  );
}

/** Does `work` at most once in `ms`; in between its last result, or its failure, is returned again. */
export function memoizeFor<T>(ms: number, work: () => Promise<T>): () => Promise<T> {
  let last: { readonly at: number; readonly result: Promise<T> } | undefined;
  return () => {
    const at = performance.now();
    if (!last || at - last.at >= ms) last = { at, result: work() };
    return last.result;
  };
}
