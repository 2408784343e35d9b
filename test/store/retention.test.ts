import { describe, it } from "vitest";
import { eventually } from "../harness.ts";
import { ask, endedRun, openProgram } from "../program.ts";
import { BACKENDS } from "../world.ts";
import { jobRetentionContract } from "./job-retention-contract.ts";
import { retentionContract } from "./retention-contract.ts";

for (const backend of BACKENDS) {
  retentionContract(backend);
  jobRetentionContract(backend);
}

describe("a running scheduler", () => {
  it("deletes what its settings no longer keep, and says so", async () => {
    const before = await openProgram({ scheduler: true, keepRunsPerJob: 2 });
    const alice = before.open();
    const tool = { name: "current_time", arguments: {} };
    const { job_id } = await ask(alice, "schedule_task", { tool, every_seconds: 86_400 });
    for (let i = 0; i < 4; i++) {
      const { run_id } = await ask(alice, "run_job", { job_id });
      await endedRun(alice, job_id, run_id);
    }
    await before.close();
    const after = await openProgram({ scheduler: true, keepRunsPerJob: 2, dataDir: before.dataDir });
    const runsAfter = async () => (await ask(after.open(), "list_runs", { job_id })).runs;
    await eventually(async () => (await runsAfter()).length === 2);
    await eventually(async () =>
      after.lines.some(({ msg, runs }) => msg === "old runs were deleted" && runs === 2),
    );
  });
});
