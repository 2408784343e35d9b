import { Client, InMemoryTransport } from "@modelcontextprotocol/client";
import { expect, it, onTestFinished } from "vitest";
import { createActivity } from "../src/activity.ts";
import { localPrincipal, openConnection } from "../src/connection/connection.ts";
import { openProgram } from "./program.ts";

it("somebody is here from a request on, and no more some seconds after the last", () => {
  let now = 1_000_000;
  const activity = createActivity(() => now);
  expect(activity.isInUse).toBe(false);
  activity.note();
  now += 9_000;
  expect(activity.isInUse).toBe(true);
  activity.note();
  now += 9_000;
  expect(activity.isInUse).toBe(true);
  now += 2_000;
  expect(activity.isInUse).toBe(false);
});

it("each request of a connection is noted: calls, listings, resources and prompts; opening one is not", async () => {
  const { app } = await openProgram();
  let noted = 0;
  const connectionDeps = { ...app.connectionDeps, activity: { note: () => void noted++ } };
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
