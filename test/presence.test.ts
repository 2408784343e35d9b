import { Client, InMemoryTransport } from "@modelcontextprotocol/client";
import { expect, it, onTestFinished } from "vitest";
import { openConnection } from "../src/connection/connection.ts";
import { localPrincipal } from "../src/connection/identity.ts";
import { createPresence } from "../src/presence.ts";
import { openProgram } from "./program.ts";

it("somebody is here from a request on, and no more some seconds after the last", () => {
  let now = 1_000_000;
  const presence = createPresence(() => now);
  expect(presence.isAnyoneHere).toBe(false);
  presence.note();
  now += 9_000;
  expect(presence.isAnyoneHere).toBe(true);
  presence.note();
  now += 9_000;
  expect(presence.isAnyoneHere).toBe(true);
  now += 2_000;
  expect(presence.isAnyoneHere).toBe(false);
});

it("each request of a connection is noted: calls, listings, resources and prompts; opening one is not", async () => {
  const { app } = await openProgram();
  let noted = 0;
  const connectionDeps = { ...app.connectionDeps, presence: { note: () => void noted++ } };
  const caller = {
    principal: localPrincipal("alice"),
    entityType: "human",
    signal: new AbortController().signal,
  } as const;
  const { server } = await openConnection(connectionDeps, caller, "legacy");
  const [theirs, ours] = InMemoryTransport.createLinkedPair();
  const client = new Client({ name: "test", version: "1" });
  onTestFinished(() => client.close());
  await server.connect(ours as never);
  await client.connect(theirs);
  expect(noted).toBe(0);
  await client.callTool({ name: "whoami", arguments: {} });
  await client.listTools();
  await client.readResource({ uri: "inbox://" });
  await client.listPrompts();
  expect(noted).toBe(4);
});
