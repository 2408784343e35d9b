import { Client, InMemoryTransport } from "@modelcontextprotocol/client";
import { describe, expect, it, onTestFinished } from "vitest";
import { localPrincipal, openConnection } from "../../src/connection/connection.ts";
import { eventually } from "../harness.ts";
import { openProgram, type Program } from "../program.ts";

/** Opens one more connection to this process, as a server of many users has them. */
async function connect({ app }: Program, user: string) {
  const caller = {
    principal: localPrincipal(user),
    entityType: "human",
    signal: new AbortController().signal,
  };
  const { server, dispose } = await openConnection(app.connectionDeps, caller as never, "legacy");
  const [near, far] = InMemoryTransport.createLinkedPair();
  const client = new Client({ name: user, version: "1" });
  const told: string[] = [];
  client.setNotificationHandler(
    "notifications/resources/updated",
    ({ params }) => void told.push(params.uri),
  );
  const progress: unknown[] = [];
  client.fallbackNotificationHandler = async (notification) => void progress.push(notification);
  await Promise.all([server.connect(near), client.connect(far)]);
  onTestFinished(async () => {
    await client.close();
    await dispose();
  });
  const call = async (name: string, args: Record<string, unknown> = {}) =>
    // biome-ignore lint/suspicious/noExplicitAny: tests read what the output schemas promise
    (await client.callTool({ name, arguments: args })).structuredContent as any;
  return { client, call, told, progress, dispose };
}

const DAILY = { tool: { name: "whoami" }, cron: "0 9 * * *", timezone: "UTC" };

describe("connections of many users in one process", () => {
  it("tell a subscriber nothing of another user's, and do not say whether it is there", async () => {
    const program = await openProgram();
    const [alice, again, bob] = [
      await connect(program, "alice"),
      await connect(program, "alice"),
      await connect(program, "bob"),
    ];
    const { job_id } = await alice.call("schedule_task", DAILY);
    const uri = `job://${job_id}`;
    const answers = [uri, "job://job_none"].map((one) => bob.client.subscribeResource({ uri: one }));
    expect(await Promise.all(answers)).toEqual([{}, {}]);
    await again.client.subscribeResource({ uri });
    await alice.call("pause_job", { job_id });
    await eventually(async () => again.told.length > 0);
    expect(again.told).toEqual([uri]);
    expect(alice.told).toEqual([]);
    expect(bob.told).toEqual([]);
  });

  it("tell of a run that was queued or cancelled by hand", async () => {
    const program = await openProgram();
    const alice = await connect(program, "alice");
    const { job_id } = await alice.call("schedule_task", DAILY);
    await alice.client.subscribeResource({ uri: `job://${job_id}` });
    const { run_id } = await alice.call("run_job", { job_id });
    await alice.client.subscribeResource({ uri: `run://${run_id}` });
    await alice.call("cancel_run", { run_id });
    await eventually(async () => alice.told.length === 3);
    expect(alice.told).toEqual([`job://${job_id}`, `run://${run_id}`, `job://${job_id}`]);
  });

  it("are left behind by nothing: no context, no listener, no call after the end", async () => {
    const program = await openProgram();
    const { connectionDeps } = program.app;
    const heard: string[] = [];
    const subscribe = connectionDeps.events.subscribe;
    let listeners = 0;
    const counted = {
      ...connectionDeps.events,
      subscribe: (...given: Parameters<typeof subscribe>) => {
        const stop = subscribe(...given);
        listeners++;
        return () => {
          listeners--;
          stop();
        };
      },
    };
    const watched = {
      ...program,
      app: { ...program.app, connectionDeps: { ...connectionDeps, events: counted } },
    };
    for (let i = 0; i < 20; i++) {
      const connection = await connect(watched, `user_${i % 3}`);
      await connection.call("whoami");
      heard.push(...connection.told);
      if (i % 2 === 0) await connection.client.close();
      else await connection.dispose();
    }
    await eventually(async () => connectionDeps.open.size === 0);
    expect(listeners).toBe(0);
    expect(heard).toEqual([]);
  });

  it("close with the program, which waits for what their tools have to put away", async () => {
    const program = await openProgram();
    const alice = await connect(program, "alice");
    const running = alice.call("recall_facts", { query: "anything" }).catch(() => "ended");
    await program.close();
    await running;
    expect(program.app.connectionDeps.open.size).toBe(0);
    const late = await alice.client.callTool({ name: "whoami", arguments: {} });
    expect(late).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining("CONTEXT_CLOSED") }],
    });
  });
});
