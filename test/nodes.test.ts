import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { startServer } from "./child-process.ts";
import { eventually, tempDir } from "./harness.ts";
import { openPostgres } from "./postgres.ts";

describe("two nodes on one Postgres", () => {
  async function startNodes() {
    const { url } = await openPostgres();
    const data = await tempDir();
    const env = { NIGHTSHIFT_DATABASE_URL: url, NIGHTSHIFT_LOG_LEVEL: "warn" };
    const node = () => startServer(["--data", data, "--user", "alice"], { env });
    return { data, here: await node(), there: await node() };
  }

  it("share facts, jobs and runs, tell each other of changes, and keep no file", async () => {
    const { data, here, there } = await startNodes();
    await here.call("save_fact", { fact: "Alice takes her tea without sugar." });
    const { facts } = await there.call("recall_facts", { query: "tea" });
    expect(facts.map(({ fact }: { fact: string }) => fact)).toEqual(["Alice takes her tea without sugar."]);

    const { job_id } = await here.call("schedule_task", {
      tool: { name: "current_time" },
      every_seconds: 3_600,
    });
    await there.request("resources/subscribe", { uri: `job://${job_id}` });
    await here.call("pause_job", { job_id });
    await eventually(async () => there.stdout().includes("notifications/resources/updated"));
    expect((await there.call("get_job", { job_id })).status).toBe("paused");
    await there.call("resume_job", { job_id });

    const { run_id } = await there.call("run_job", { job_id });
    await eventually(async () => (await here.call("get_run", { run_id })).status === "succeeded");
    expect(readdirSync(data)).toEqual([]);
  }, 60_000);

  it("run on when one of them is killed, and run nothing twice", async () => {
    const { here, there } = await startNodes();
    const { job_id } = await here.call("schedule_task", { tool: { name: "current_time" }, every_seconds: 1 });
    const runs = async () => (await there.call("list_runs", { job_id, limit: 100 })).runs;
    await eventually(async () => (await runs()).length > 1);
    here.kill("SIGKILL");
    await here.exited;
    const before = (await runs()).length;
    const all = await eventually(async () => {
      const found = await runs();
      return found.length > before + 2 && found;
    }, 30_000);
    const times = all.map(({ scheduled_for }: { scheduled_for: string }) => scheduled_for);
    expect(new Set(times).size).toBe(times.length);
  }, 60_000);
});
