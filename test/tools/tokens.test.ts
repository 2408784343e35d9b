import { describe, expect, it } from "vitest";
import { peopleTools } from "../../src/tools/builtin.ts";
import { createCatalog } from "../../src/tools/catalog.ts";
import { MAX_PAGE_BYTES } from "../../src/tools/page.ts";
import { spawnStdio, tempDir } from "../harness.ts";
import { ask, endedRun, openProgram } from "../program.ts";
import { textIn } from "./tool-world.ts";

const LATER = { execute_at: "2099-02-20 09:00:00", timezone: "Europe/Berlin" };
const WHOAMI = { tool: { name: "whoami" } };

/** The tools whose descriptions may have 9,000 characters together. What came after them has 1,500 more. */
const FIRST_TOOLS =
  "whoami current_time save_fact recall_facts list_facts forget_fact schedule_task preview_schedule list_jobs get_job update_job pause_job resume_job cancel_job run_job backfill list_runs get_run cancel_run inbox";

/** What a model is shown of tools. */
const visible = (tools: readonly { name: string; description: string; inputSchema: unknown }[]) =>
  JSON.stringify(tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema })));

describe("what a conversation costs", () => {
  it("is at most 9,000 characters for the first twenty tools, and 10,500 for all", () => {
    const all = createCatalog(peopleTools).list(["facts:read", "facts:write", "jobs:read", "jobs:write"]);
    const first = all.filter(({ name }) => FIRST_TOOLS.split(" ").includes(name));
    expect(first).toHaveLength(20);
    expect(visible(first).length).toBeLessThanOrEqual(9_000);
    expect(visible(all).length).toBeLessThanOrEqual(10_500);
    expect(JSON.stringify(all)).not.toContain('"error":');
  });

  it("is less where the operator offers a part", async () => {
    const namesOf = async (toolsets: ("memory" | "schedule")[]) =>
      (await openProgram({ toolsets }))
        .open()
        .toolkit.list()
        .map(({ name }) => name);
    const memory = await namesOf(["memory"]);
    expect(memory).toEqual(expect.arrayContaining(["whoami", "current_time", "save_fact"]));
    expect(memory).not.toContain("schedule_task");
    const schedule = await namesOf(["schedule"]);
    expect(schedule).toEqual(expect.arrayContaining(["schedule_task", "inbox", "get_run"]));
    expect(schedule).not.toContain("recall_facts");
    const env = { NIGHTSHIFT_TOOLSETS: "memory" };
    const client = await spawnStdio("v2 client, 2026 era", { data: await tempDir(), env });
    expect((await client.listTools()).map(({ name }) => name)).toEqual(memory);
  });

  it("lists what few jobs need as one argument, and takes it beside the others too", async () => {
    const alice = (await openProgram()).open();
    const { inputSchema } = alice.toolkit.list().find(({ name }) => name === "schedule_task") ?? {};
    const listed = inputSchema?.properties as Record<string, { description?: string }>;
    for (const name of ["prompt", "tool", "timezone", "name", "max_iterations", "allowed_tools", "policy"])
      expect(listed).toHaveProperty(name);
    for (const name of ["overlap", "retry", "webhook_url"]) {
      expect(listed).not.toHaveProperty(name);
      expect(listed.policy?.description).toContain(name);
    }
    const policy = { overlap: "buffer_one", max_runs: "3", retry: { attempts: 2 } };
    const nested = await ask(alice, "schedule_task", { ...WHOAMI, ...LATER, policy });
    const flat = await ask(alice, "schedule_task", { ...WHOAMI, ...LATER, ...policy, name: "Flat" });
    for (const job of [nested, flat])
      expect(job).toMatchObject({ overlap: "buffer_one", max_runs: 3, retry: { attempts: 2 } });
    const { job_id } = nested;
    const changed = await ask(alice, "update_job", { job_id, policy: { max_runs: null, jitter_seconds: 5 } });
    expect(changed).toMatchObject({ overlap: "buffer_one", max_runs: null, jitter_seconds: 5 });
  });

  it("refuses a policy that it does not know, or that is given twice, and says what there is", async () => {
    const alice = (await openProgram()).open();
    const said = async (args: object) =>
      textIn(await alice.toolkit.call("schedule_task", { ...WHOAMI, ...LATER, ...args }));
    expect(await said({ policy: { overlaps: "skip" } })).toMatch(
      /policy: it has no overlaps; it takes overlap, /,
    );
    expect(await said({ policy: { overlap: "skip" }, overlap: "skip" })).toMatch(/Give overlap once/);
    expect(await said({ policy: { overlap: "maybe" } })).toMatch(/policy\.overlap: .*INVALID_ARGUMENTS/);
  });

  it("has a page that explains the policy", async () => {
    const client = await spawnStdio("v2 client, 2026 era", { data: await tempDir() });
    const { resources } = await client.raw.listResources();
    expect(resources).toContainEqual(expect.objectContaining({ uri: "nightshift://policy" }));
    const { contents } = await client.raw.readResource({ uri: "nightshift://policy" });
    expect(contents[0].text).toMatch(/`overlap`: when due while it still runs \(default skip\)/);
  });
});

describe("what tools answer", () => {
  it("list_jobs gives a job in 300 characters, get_job says what it does, when and with what", async () => {
    const alice = (await openProgram({ script: () => ({ text: "ok" }) })).open();
    const prompt = `Write a report. ${"And more. ".repeat(500)}`;
    const { job_id } = await ask(alice, "schedule_task", { prompt, cron: "0 9 * * 1-5", timezone: "UTC" });
    const list = await alice.toolkit.call("list_jobs");
    const [job] = (list.structuredContent as { jobs: object[] }).jobs;
    expect(job).toMatchObject({ job_id, status: "active", cron: "0 9 * * 1-5" });
    expect(JSON.stringify(job).length).toBeLessThanOrEqual(300);
    expect(textIn(list).length).toBeLessThanOrEqual(300);
    expect(textIn(list)).toMatch(/"Write a report\. .*…": active, cron 0 9 \* \* 1-5, next .*\(UTC\)/);
    const one = textIn(await alice.toolkit.call("get_job", { job_id }));
    for (const part of [
      /Does: Write a report/,
      /cron 0 9/,
      /Tools: .*current_time/,
      /10 model calls/,
      /Last: none yet/,
    ])
      expect(one).toMatch(part);
  });

  it("get_run and run_job give an output once in the text, and once in the structure", async () => {
    const report = `The report. ${"It rained. ".repeat(200)}`.trim();
    const program = await openProgram({
      scheduler: true,
      script: ({ messages }) =>
        messages.some(({ role }) => role === "tool")
          ? { text: report }
          : { calls: [{ tool: "current_time", arguments: {} }] },
    });
    const alice = program.open();
    const { job_id } = await ask(alice, "schedule_task", { prompt: "Report.", ...LATER });
    const waited = await alice.toolkit.call("run_job", { job_id, wait: true });
    const { run_id } = waited.structuredContent as { run_id: string };
    const read = await alice.toolkit.call("get_run", { run_id });
    for (const { structuredContent, content } of [waited, read]) {
      expect(JSON.stringify(structuredContent).split("The report.")).toHaveLength(2);
      expect(structuredContent).toMatchObject({ output: report });
      expect(textIn({ content }).split("The report.")).toHaveLength(2);
      expect(textIn({ content })).toMatch(/2\. current_time: It is/);
    }
    const { transcript } = read.structuredContent as { transcript: object[] };
    expect(transcript.at(-1)).toEqual({ step: 3, type: "model", is_output: true });
    const { runs } = await ask(alice, "list_runs", { job_id });
    expect(runs[0].output).toMatch(/^The report\. [\s\S]{400,500}…$/);
    await endedRun(alice, job_id, run_id);
  });

  it("a page ends at 40 KB, and its cursor goes on where it ended", async () => {
    const alice = (await openProgram()).open();
    for (let i = 0; i < 30; i++) await ask(alice, "save_fact", { fact: `Fact ${i}: ${"x".repeat(4_000)}` });
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await ask(alice, "list_facts", { limit: 100, ...(cursor && { cursor }) });
      expect(JSON.stringify(page.facts).length).toBeLessThan(MAX_PAGE_BYTES + 200);
      seen.push(...page.facts.map(({ fact }: { fact: string }) => fact.slice(0, 8)));
      cursor = page.next_cursor;
    } while (cursor);
    expect(new Set(seen).size).toBe(30);
    expect(seen).toHaveLength(30);
  });

  it("an inbox that can mark nothing is read-only", () => {
    const annotationsWith = (scopes: Parameters<ReturnType<typeof createCatalog>["list"]>[0]) =>
      createCatalog(peopleTools)
        .list(scopes)
        .find(({ name }) => name === "inbox")?.annotations;
    expect(annotationsWith(["jobs:read"])).toMatchObject({ readOnlyHint: true });
    expect(annotationsWith(["jobs:read", "jobs:write"])).toMatchObject({ readOnlyHint: false });
  });
});
