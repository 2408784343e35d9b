import { describe, expect, it } from "vitest";
import { ask, endedRun, openProgram } from "../program.ts";
import { textIn } from "./tool-world.ts";

const WHOAMI = { tool: { name: "whoami" } };
const DAILY = { cron: "0 9 * * *", timezone: "UTC" };

describe("a job and a run may be named", () => {
  it("by the job's name, by a beginning of an id, and the newest run as last", async () => {
    const alice = (await openProgram({ scheduler: true })).open();
    const { job_id } = await ask(alice, "schedule_task", { ...WHOAMI, ...DAILY, name: "Morning report" });
    await ask(alice, "schedule_task", { ...WHOAMI, ...DAILY, name: "Evening report" });
    for (const given of [
      "Morning report",
      "morning REPORT",
      job_id,
      job_id.slice(0, -3),
      job_id.slice(4, -1),
    ])
      expect((await ask(alice, "get_job", { job_id: given })).job_id).toBe(job_id);
    expect(await ask(alice, "pause_job", { job_id: "morning report" })).toMatchObject({ status: "paused" });
    expect(await ask(alice, "resume_job", { job_id: "morning report" })).toMatchObject({ status: "active" });
    const { run_id } = await ask(alice, "run_job", { job_id: "Morning report" });
    await endedRun(alice, job_id, run_id);
    for (const given of ["last", "LAST", run_id, run_id.slice(0, -2), run_id.slice(4)])
      expect((await ask(alice, "get_run", { run_id: given })).run_id).toBe(run_id);
    expect((await ask(alice, "list_runs", { job_id: "Morning report" })).runs).toHaveLength(1);
    expect((await ask(alice, "list_runs", { job_id: "Evening report" })).runs).toEqual([]);
    const after = await ask(alice, "schedule_task", { ...WHOAMI, after: "Morning report" });
    expect(after.after).toBe(job_id);
    const inbox = await ask(alice, "inbox", { job_id: "Morning report" });
    expect(inbox.items).toMatchObject([{ run_id }]);
  });

  it("and what names none or several is an error with the candidates", async () => {
    const program = await openProgram();
    const [alice, bob] = [program.open("alice"), program.open("bob")];
    const said = async (name: string, args: object, who = alice) =>
      textIn(await who.toolkit.call(name, args));
    expect(await said("get_run", { run_id: "last" })).toMatch(
      /You have no run with this id; list_runs .*RUN_NOT_FOUND/,
    );
    const name = "Report";
    const first = await ask(alice, "schedule_task", { ...WHOAMI, ...DAILY, name });
    const second = await ask(alice, "schedule_task", { ...WHOAMI, cron: "0 10 * * *", name });
    const both = await said("get_job", { job_id: "report" });
    expect(both).toMatch(
      /"report" names several jobs: job_\w+ "Report", job_\w+ "Report"\. .*INVALID_ARGUMENTS/,
    );
    for (const id of [first.job_id, second.job_id]) expect(both).toContain(id);
    expect(await said("run_job", { job_id: first.job_id.slice(0, 10) })).toMatch(/names several jobs/);
    expect(await said("cancel_job", { job_id: "nonsense" })).toMatch(
      /You have no job with this id; list_jobs shows those you have\. The newest: job_\w+ "Report".*JOB_NOT_FOUND/,
    );
    await ask(alice, "cancel_job", { job_id: first.job_id });
    expect((await ask(alice, "get_job", { job_id: "Report" })).job_id).toBe(second.job_id);
    for (const given of ["Report", first.job_id, first.job_id.slice(0, -2)])
      expect(await said("get_job", { job_id: given }, bob)).toBe(
        await said("get_job", { job_id: "job_none" }, bob),
      );
    expect(await said("get_job", { job_id: "Report" }, bob)).not.toContain("job_0");
  });
});
