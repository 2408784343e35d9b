import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { announceServing, findServing } from "../../src/scheduler/serving.ts";
import { start, startServer } from "../child-process.ts";
import { eventually, tempDir } from "../harness.ts";
import { serveChild } from "../http/harness.ts";

const LATER = { execute_at: "2099-01-01 09:00:00", timezone: "UTC" };
const quiet = { warn() {} };

it("a stdio server says that jobs run in any case while a server beside it runs jobs of this kind", async () => {
  const data = await tempDir();
  const env = { NIGHTSHIFT_MODEL: "openai:none", NIGHTSHIFT_MODEL_API_KEY: "none" };
  const stdio = await startServer(["--data", data, "--user", "alice"], { env });
  const noteOf = async (action: object) => (await stdio.call("schedule_task", { ...action, ...LATER })).note;
  const tool = { tool: { name: "whoami" } };
  expect(await noteOf(tool)).toMatch(/while it is connected/);
  const served = await serveChild({ data });
  await eventually(async () => /runs jobs in any case/.test(await noteOf(tool)));
  // That server has no model.
  expect(await noteOf({ prompt: "Write me a report" })).toMatch(/while it is connected/);
  await served.stop();
  expect(await noteOf(tool)).toMatch(/while it is connected/);
}, 60_000);

it("the file of a server that died, of another machine, or of nobody is not believed", async () => {
  const dataDir = await tempDir();
  const file = join(dataDir, "serving.json");
  expect(findServing(dataDir)).toBeUndefined();
  const stop = announceServing({ dataDir }, quiet);
  const own = JSON.parse(await readFile(file, "utf8"));
  expect(findServing(dataDir)).toEqual(own);
  const dead = start(["-e", ""]);
  await dead.exited;
  for (const text of [
    JSON.stringify({ ...own, pid: dead.pid, worker_id: "worker_0" }),
    JSON.stringify({ ...own, host: "another machine" }),
    "{",
  ]) {
    await writeFile(file, text);
    expect(findServing(dataDir), text).toBeUndefined();
  }
  await stop();
  expect(await readFile(file, "utf8")).toBe("{");
});
