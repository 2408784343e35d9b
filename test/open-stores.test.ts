import { describe, expect, it } from "vitest";
import type { Scope } from "../src/context/scopes.ts";
import { createUserContext } from "../src/context/user-context.ts";
import { openProgram } from "./program.ts";

/** The methods of each service that a scope allows. */
const ALLOWED: Record<Scope, Record<string, readonly string[]>> = {
  "facts:read": { facts: ["get", "list", "recall"] },
  "facts:write": { facts: ["forget", "save"] },
  "jobs:read": {
    jobs: ["counters", "counts", "get", "list", "tokensSpent"],
    runs: ["get", "list", "summary"],
    runControl: ["get", "list", "summary"],
    inbox: ["list", "unread"],
    deliveries: ["ofRun"],
  },
  "jobs:write": {
    jobs: ["counters", "create", "get", "update"],
    runs: ["backfill", "cancel", "enqueue", "get", "summary"],
    runControl: ["backfill", "cancel", "enqueue", "get", "summary"],
    inbox: ["markRead", "markRunRead"],
  },
};
const METHODS = [
  ...new Set(Object.values(ALLOWED).flatMap((services) => Object.values(services).flat())),
  "syncFolder",
];

type Methods = Record<string, (arg: unknown) => Promise<unknown>>;

describe("the stores of a context", () => {
  it.each(Object.keys(ALLOWED) as Scope[])(
    "have the methods that %s allows, and no others",
    async (scope) => {
      const { app } = await openProgram();
      const context = createUserContext({
        principal: { issuer: "test", subject: "alice" },
        entityType: "api",
        signal: new AbortController().signal,
        scopes: [scope],
      });
      const services = app.connectionDeps.servicesFor(context) as unknown as Record<string, Methods>;
      for (const service of ["facts", "jobs", "runs", "runControl", "inbox", "deliveries"]) {
        const allowed: string[] = [];
        for (const method of METHODS) {
          // An allowed method may fail for its argument, or not exist in this store.
          const message = await services[service]?.[method]?.([]).then(String, String);
          const isDenied = message?.includes(`The credential of this connection has no scope for ${method}.`);
          if (!isDenied) allowed.push(method);
        }
        expect(allowed.sort(), service).toEqual([...(ALLOWED[scope]?.[service] ?? [])].sort());
      }
    },
  );

  it("are not there for a context that belongs to no known user", async () => {
    const { app } = await openProgram();
    const context = createUserContext({
      principal: { issuer: "test", subject: "alice" },
      entityType: "unknown",
      signal: new AbortController().signal,
    });
    expect(Object.keys(app.connectionDeps.servicesFor(context))).toEqual(["now"]);
  });

  it("tell their owner, and nobody else, of a fact that was saved or forgotten, and not of one that was known", async () => {
    const { app } = await openProgram();
    const heard: unknown[] = [];
    const overheard: unknown[] = [];
    const { events } = app.connectionDeps;
    const open = (user: string) => app.openContext({ user });
    const [alice, mallory] = [open("alice"), open("mallory")];
    events.subscribe(alice.context.userKey, (event) => heard.push(event));
    events.subscribe(mallory.context.userKey, (event) => overheard.push(event));
    const call = async (name: string, args: object) =>
      (await alice.toolkit.call(name, args)).structuredContent as Record<string, string>;
    const { fact_id } = await call("save_fact", { fact: "Alice keeps bees." });
    await call("save_fact", { fact: "alice keeps BEES." });
    await call("forget_fact", { fact_id });
    await call("forget_fact", { fact_id }).catch(() => {});
    const told = { kind: "fact", uri: `fact://${fact_id}` };
    expect(heard).toEqual([told, told]);
    expect(overheard).toEqual([]);
  });
});
