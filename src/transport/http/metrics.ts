import type { ServerResponse } from "node:http";
import type { Response } from "express";

/** What `/metrics` shows: counts and times, and no user, tool argument or id. */
export interface Metrics {
  /** Counts a request and how long it takes. */
  count(path: string, res: ServerResponse): void;
  show(res: Response): Promise<void>;
}

/** Prometheus metrics of this process; `gauges` are read when somebody looks. */
export async function createMetrics(
  gauges: Record<string, { help: string; read: () => number }>,
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
      collect() {
        this.set(read());
      },
    });
  // Looking a label pair up costs more than counting does.
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
      // The routes are ours: a caller's path must not become a label.
      const route = ROUTES.has(path) ? path : "other";
      res.once("close", () => {
        counterOf(route, res.statusCode).inc();
        timerOf(route).observe((performance.now() - startedAt) / 1000);
      });
    },
    async show(res) {
      res.type(registry.contentType).send(await registry.metrics());
    },
  };
}
