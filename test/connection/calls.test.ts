import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { type AnyClient, CLIENTS, type ClientKind, eventually, spawnStdio, tempDir } from "../harness.ts";

/** A user's tools that wait, report progress, and record how they ended. */
const SLOW = (notes: string) => `
import { appendFileSync } from "node:fs";
const note = (text) => appendFileSync(${JSON.stringify(notes)}, text + "\\n");
const wait = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
});
const inputSchema = { type: "object", properties: { id: { type: "number" }, ms: { type: "number" } } };
export const slow = { name: "slow", description: "Waits.", inputSchema, async run({ id, ms }, { signal, progress }) {
  note("begin " + id);
  progress(1, 3, "one");
  try { await wait(ms, signal); } catch (error) { note("abort " + id + " " + error.code); throw error; }
  progress(2, 3);
  note("end " + id);
  return { id };
} };`;

async function open(kind: ClientKind) {
  const dir = await tempDir();
  const notes = join(dir, "notes.txt");
  await writeFile(notes, "");
  await writeFile(join(dir, "slow.mjs"), SLOW(notes));
  const client = await spawnStdio(kind, { data: dir, args: ["--tools", join(dir, "slow.mjs")] });
  const noted = async () => (await readFile(notes, "utf8")).trim().split("\n");
  return { client, noted };
}

/** Calls a tool with the client's own options: v1 takes a schema before them. */
function callWith(client: AnyClient, kind: ClientKind, args: Record<string, unknown>, options: object) {
  const request = { name: "slow", arguments: args };
  return kind.startsWith("v1")
    ? client.raw.callTool(request, undefined, options)
    : client.raw.callTool(request, options);
}

describe.each(CLIENTS)("calls, %s", (kind) => {
  it("that are cancelled are cancelled in the tool, and the next one is served", async () => {
    const { client, noted } = await open(kind);
    const caller = new AbortController();
    const call = callWith(client, kind, { id: 1, ms: 60_000 }, { signal: caller.signal });
    const other = client.call("slow", { id: 2, ms: 300 });
    await eventually(async () => (await noted()).includes("begin 1"));
    caller.abort("enough");
    await expect(call).rejects.toBeTruthy();
    await eventually(async () => (await noted()).includes("abort 1 CANCELLED"));
    expect((await other).structuredContent).toEqual({ id: 2 });
    expect((await client.call("whoami")).isError).toBeFalsy();
    expect(await noted()).not.toContain("end 1");
  });

  it("tell how far they are to who asked for it, and to nobody else", async () => {
    const { client } = await open(kind);
    const heard: unknown[] = [];
    const stray: unknown[] = [];
    client.raw.fallbackNotificationHandler = async (notification: unknown) => void stray.push(notification);
    const asked = callWith(client, kind, { id: 1, ms: 30 }, { onprogress: (at: unknown) => heard.push(at) });
    const quiet = client.call("slow", { id: 2, ms: 10 });
    await Promise.all([asked, quiet]);
    await wait(20);
    expect(heard[0]).toMatchObject({ progress: 1, total: 3, message: "one" });
    // A client stops listening with the result, so it may miss a notification that arrives together with it.
    expect(heard.slice(1)).toEqual(
      heard.length > 1 ? [expect.objectContaining({ progress: 2, total: 3 })] : [],
    );
    expect(stray).toEqual([]);
  });

  it("get each its own answer, a hundred at once", async () => {
    const { client } = await open(kind);
    const kinds: ((i: number) => Promise<boolean>)[] = [
      async (i) => (await client.call("slow", { id: i, ms: i % 17 })).structuredContent.id === i,
      async (i) => {
        const { structuredContent } = await client.call("save_fact", { fact: `Fact number ${i}.` });
        return structuredContent.status === "saved";
      },
      async () => (await client.call("whoami")).structuredContent.user_id === "alice",
      async (i) => (await client.call("get_job", { job_id: `job_${i}` })).isError === true,
      async () =>
        (await client.call("current_time", { timezone: "UTC" })).structuredContent.timezone === "UTC",
    ];
    const calls = Array.from({ length: 100 }, (_, i) => kinds[i % kinds.length]?.(i));
    expect((await Promise.all(calls)).filter((isRight) => !isRight)).toEqual([]);
    const { facts } = (await client.call("list_facts")).structuredContent;
    expect(new Set(facts.map(({ fact }: { fact: string }) => fact)).size).toBe(20);
  });
});
