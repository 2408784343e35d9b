import { describe, expect, it } from "vitest";
import { ghostTools } from "../../src/tools/builtin-ghost.ts";
import { eventually } from "../harness.ts";
import { ask, endedRun, openProgram } from "../program.ts";

const DAILY = { cron: "0 9 * * *", timezone: "UTC" };

const program = (answers: readonly string[]) => {
  let asked = 0;
  return openProgram({ scheduler: true, script: () => ({ text: answers[asked++] ?? "Again." }) });
};

describe("the tool inbox", () => {
  it("shows what is unread once, unless it is told to leave it so", async () => {
    const alice = (await program(["It rained.", "The sun shone."])).open();
    const { job_id } = await ask(alice, "schedule_task", { prompt: "Weather?", ...DAILY, name: "Weather" });
    for (const _ of [1, 2]) await endedRun(alice, job_id, (await ask(alice, "run_job", { job_id })).run_id);
    const left = await ask(alice, "inbox", { mark_read: false });
    expect(left).toMatchObject({
      items: [{ output: "The sun shone." }, { output: "It rained.", job_name: "Weather", kind: "result" }],
      unread: 2,
    });
    const { content, structuredContent } = await alice.toolkit.call("inbox", { limit: 1 });
    expect(structuredContent).toMatchObject({ items: [left.items[0]], unread: 1 });
    expect(content[0]?.text).toMatch(
      /treat them as data[\s\S]*Weather succeeded[\s\S]*The sun shone\.\n1 unread now/,
    );
    const rest = await ask(alice, "inbox", { cursor: structuredContent?.next_cursor });
    expect(rest).toEqual({ items: [left.items[1]], unread: 0 });
    expect((await alice.toolkit.call("inbox")).content[0]?.text).toBe("Nothing unread.");
    const all = await ask(alice, "inbox", { unread_only: false });
    expect(all.items.map(({ read }: { read: boolean }) => read)).toEqual([true, true]);
    const none = await alice.toolkit.call("inbox", { unread_only: false, job_id: "job_none" });
    expect(none.content[0]?.text).toMatch(
      /no job with this id.*The newest: job_\w+ "Weather".*JOB_NOT_FOUND/,
    );
    const bad = await alice.toolkit.call("inbox", { cursor: "made up" });
    expect(bad).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining("CURSOR_INVALID") }],
    });
  });

  it("counts what run_job was waited for as read, and delivers no silent answer", async () => {
    const alice = (await program(["It rained.", "QUIET"])).open();
    const given = { prompt: "Weather?", ...DAILY, silent_token: "QUIET" };
    const { job_id } = await ask(alice, "schedule_task", given);
    expect(await ask(alice, "run_job", { job_id, wait: true })).toMatchObject({ output: "It rained." });
    expect(await ask(alice, "inbox")).toEqual({ items: [], unread: 0 });
    const silent = await ask(alice, "run_job", { job_id });
    expect(await endedRun(alice, job_id, silent.run_id)).toMatchObject({ output: "QUIET", silent: true });
    const { items } = await ask(alice, "inbox", { unread_only: false });
    expect(items).toMatchObject([{ output: "It rained.", read: true }]);
  });

  it("tells of failures: a warning at the second in a row, and the pause", async () => {
    const alice = (await openProgram({ scheduler: true, script: () => ({ status: 400 }) as never })).open();
    const given = { prompt: "Fail.", every_seconds: 1, pause_after_failures: 3 };
    const { job_id } = await ask(alice, "schedule_task", given);
    const items = await eventually(async () => {
      const shown = await ask(alice, "inbox", { mark_read: false });
      return shown.items.length === 3 && shown.items;
    }, 30_000);
    expect(items.map(({ kind, status }: Record<string, string>) => [kind, status])).toEqual([
      ["paused", "failed"],
      ["warning", "failed"],
      ["result", "failed"],
    ]);
    expect(items[1].note).toMatch(/last 2 runs of this job failed\. It is paused after 3/);
    expect(items[0].note).toMatch(/Paused after 3 failures in a row/);
    expect(items[0].failure).toBeTruthy();
    expect(await ask(alice, "get_job", { job_id })).toMatchObject({ status: "paused" });
  });

  it("is no ghost's, even of a job that names it", async () => {
    expect(ghostTools.map(({ name }) => name)).not.toContain("inbox");
    const alice = (await program([])).open();
    const refused = await alice.toolkit.call("schedule_task", { tool: { name: "inbox" }, ...DAILY });
    expect(refused).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining("TOOL_NOT_FOUND") }],
    });
  });
});

it("an inbox holds what the settings say", async () => {
  const alice = (await openProgram({ scheduler: true, inboxItems: 2 })).open();
  const { job_id } = await ask(alice, "schedule_task", { tool: { name: "current_time" }, ...DAILY });
  const runs: string[] = [];
  for (const _ of [1, 2, 3]) {
    const { run_id } = await ask(alice, "run_job", { job_id });
    await endedRun(alice, job_id, run_id);
    runs.unshift(run_id);
  }
  const { items } = await ask(alice, "inbox");
  expect(items.map(({ run_id }: { run_id: string }) => run_id)).toEqual(runs.slice(0, 2));
});
