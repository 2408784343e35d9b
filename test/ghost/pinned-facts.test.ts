import { describe, expect, it } from "vitest";
import type { ScriptedRequest } from "../../src/model/scripted.ts";
import { ask, endedRun, openProgram } from "../program.ts";

const LATER = { cron: "0 9 * * *", timezone: "UTC" };

async function start() {
  const requests: ScriptedRequest[] = [];
  const script = (request: ScriptedRequest) => {
    requests.push(request);
    return { text: "ok" };
  };
  const program = await openProgram({ script, scheduler: true });
  const alice = program.open();
  const save = async (fact: string): Promise<string> => (await ask(alice, "save_fact", { fact })).fact_id;
  return { ...program, alice, requests, save };
}

describe("facts that a person pins to a job", () => {
  it("are copied when it is made, shown, and told to the model; memory stays closed", async () => {
    const { alice, save, requests } = await start();
    const city = await save("I live in Turin.");
    await save("My diary is under the bed.");
    const job = await ask(alice, "schedule_task", { prompt: "p", ...LATER, pinned_facts: [city] });
    await ask(alice, "forget_fact", { fact_id: city });
    const shown = await ask(alice, "get_job", { job_id: job.job_id });
    expect(shown.pinned_facts).toEqual([{ fact_id: city, fact: "I live in Turin." }]);
    await ask(alice, "run_job", { job_id: job.job_id });
    expect((await endedRun(alice, job.job_id)).status).toBe("succeeded");
    const told = requests[0]?.messages[0]?.content;
    expect(told).toMatch(/gave it these facts of theirs .*:\n- I live in Turin\.\n/);
    expect(told).not.toContain("diary");
    expect(told).toContain("no access to anyone's memory");
  });

  it("of somebody else are as absent as those that never were, and no job is made", async () => {
    const { alice, open, save } = await start();
    const bob = open("bob");
    const hers = await save("I live in Turin.");
    const errors = [];
    for (const id of [hers, `${hers.slice(0, -2)}zz`]) {
      const result = await bob.toolkit.call("schedule_task", { prompt: "p", ...LATER, pinned_facts: [id] });
      errors.push(result.content[0]?.text);
    }
    expect(errors[0]).toMatch(/\[FACT_NOT_FOUND\]$/);
    expect(errors[1]).toBe(errors[0]);
    expect((await ask(bob, "list_jobs")).jobs).toEqual([]);
    expect((await ask(alice, "list_jobs")).jobs).toEqual([]);
  });

  it("are changed and taken away by update_job, and kept when it names none", async () => {
    const { alice, save } = await start();
    const [tea, milk] = [await save("I like tea."), await save("No milk.")];
    const { job_id } = await ask(alice, "schedule_task", { prompt: "p", ...LATER, pinned_facts: [tea] });
    const pinned = async (change: object) => {
      await ask(alice, "update_job", { job_id, ...change });
      const { pinned_facts = [] } = await ask(alice, "get_job", { job_id });
      return pinned_facts.map(({ fact }: { fact: string }) => fact);
    };
    expect(await pinned({ name: "n" })).toEqual(["I like tea."]);
    expect(await pinned({ pinned_facts: [milk, tea, milk] })).toEqual(["No milk.", "I like tea."]);
    expect(await pinned({ pinned_facts: [] })).toEqual([]);
  });

  it("are limited in number and in bytes", async () => {
    const { alice, save } = await start();
    const ids = [];
    for (let i = 0; i < 3; i++) ids.push(await save(`${i} ${"é".repeat(3_000)}`));
    const pin = (pinned_facts: string[]) =>
      alice.toolkit.call("schedule_task", { prompt: "p", ...LATER, pinned_facts });
    expect((await pin(ids)).content[0]?.text).toMatch(/have 18006 bytes together.*16384.*FACT_TOO_LARGE/);
    expect((await pin(Array.from({ length: 21 }, () => "f"))).content[0]?.text).toContain(
      "INVALID_ARGUMENTS",
    );
  });
});
