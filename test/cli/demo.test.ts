import { describe, expect, it } from "vitest";
import { cli } from "../child-process.ts";

describe("nightshift demo", () => {
  it("shows each step on real parts, and ends well", async () => {
    const { code, stdout, stderr } = await cli(["demo"]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const steps = [...stdout.matchAll(/^✓ +\d+ (.*)$/gm)].map(([, step]) => step);
    for (const told of [
      /^started a model server on loopback/,
      /client connected over stdio as alice \(human\)/,
      /^saved a fact/,
      /^recalled it/,
      /^scheduled a prompt/,
      /^ghost_scheduler_job_\S+ ran in a worker thread of its own/,
      /^the ghost called recall_facts/,
      /^the ghost called save_fact/,
      /^the ghost called current_time/,
      /^the ghost answered/,
      /^its audit line is in the log/,
      /^the user's memory is byte for byte what it was/,
    ])
      expect(
        steps.filter((step) => told.test(step ?? "")),
        String(told),
      ).toHaveLength(1);
    expect(stdout).toContain("scripted: it does not think");
    expect(stdout).toContain("Memory recall skipped - automated tasks cannot access user memories");
    // Stdout is no terminal here, so there are no colours and no progress line.
    expect(stdout).not.toContain("\u001b");
    expect(stdout).not.toContain("\r");
  }, 40_000);

  it("tells a program the same as JSON", async () => {
    const { code, stdout, stderr } = await cli(["demo", "--json"]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const { ok, seconds, model_requests, run } = JSON.parse(stdout);
    expect({ ok, model_requests, status: run.status }).toEqual({
      ok: true,
      model_requests: 4,
      status: "succeeded",
    });
    expect(seconds).toBeGreaterThan(0);
    expect(run.transcript.filter(({ skipped }: { skipped?: boolean }) => skipped)).toHaveLength(2);
  }, 40_000);

  it("keeps to itself: nothing of the caller's environment is used", async () => {
    const env = {
      NIGHTSHIFT_DATA_DIR: "/nowhere/at/all",
      NIGHTSHIFT_MODEL: "openai:gpt",
      NIGHTSHIFT_USER: "mallory",
    };
    const { code, stdout } = await cli(["demo", "--json"], { env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, run: { status: "succeeded" } });
  }, 40_000);
});
