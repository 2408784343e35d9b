import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { scanFolder } from "../../src/jobs-folder/scan.ts";
import { cli, startServer } from "../child-process.ts";
import { eventually, tempDir } from "../harness.ts";
import { ask, endedRun, openProgram } from "../program.ts";
import { startReceiver, verify } from "./receiver.ts";

const LATER = { cron: "0 9 * * *", timezone: "UTC" };
const CLOCK = { tool: { name: "current_time" }, ...LATER };

/** Waits until each webhook of the run has had an attempt. Resolves to the run. */
const toldRun = (context: Parameters<typeof ask>[0], run_id: string) =>
  eventually(async () => {
    const run = await ask(context, "get_run", { run_id });
    // biome-ignore lint/suspicious/noExplicitAny: as in ask
    return run.deliveries?.every(({ host }: any) => host) && run;
  }, 20_000);

describe("webhook_url", () => {
  it("tells of each run's end, signed with its user's secret, and shows in get_run what became of that", async () => {
    const receiver = await startReceiver();
    const program = await openProgram({
      scheduler: true,
      webhookAllowPrivate: true,
      script: () => ({ text: "Hi." }),
    });
    const alice = program.open();
    const url = `${receiver.url}/path-4711?key=4712`;
    const job = await ask(alice, "schedule_task", {
      prompt: "Greet.",
      name: "Greeting",
      ...LATER,
      webhook_url: url,
    });
    expect(job.webhook_url).toBe(url);
    expect((await ask(alice, "get_job", { job_id: job.job_id })).webhook_url).toBe(url);
    const { run_id } = await ask(alice, "run_job", { job_id: job.job_id, wait: true });
    const run = await toldRun(alice, run_id);
    const [delivery] = run.deliveries;
    expect(delivery).toEqual({
      delivery_id: expect.stringMatching(/^msg_/),
      status: "delivered",
      attempts: 1,
      host: new URL(url).host,
      last_status: 204,
    });
    const secret = await program.app.openWebhooks("alice").secret();
    const [received] = receiver.received;
    if (!received) throw new Error("nothing was received");
    expect(verify(secret, received)).toMatchObject({
      type: "run.succeeded",
      timestamp: run.finished_at,
      data: {
        run_id,
        job_id: job.job_id,
        job_name: "Greeting",
        status: "succeeded",
        output: "Hi.",
        error: null,
      },
    });
    expect(received.path).toBe("/hook/path-4711?key=4712");
    expect(received.headers).toMatchObject({
      "content-type": "application/json",
      "webhook-id": delivery.delivery_id,
      "user-agent": expect.stringMatching(/^Nightshift\//),
    });
    const bobs = await program.app.openWebhooks("bob").secret();
    expect(() => verify(bobs, received)).toThrow("No matching signature");
    expect(() => verify(secret, { ...received, body: received.body.replace("Hi.", "Ho.") })).toThrow();

    const logged = JSON.stringify(program.lines);
    expect(logged).not.toMatch(/whsec_|471\d/);
    expect(logged).not.toContain(secret.slice(6));
    expect(JSON.stringify(run)).not.toMatch(/whsec_|471\d/);
  });

  it("tells of failures, says why an attempt failed, and is gone with null", async () => {
    const receiver = await startReceiver();
    receiver.reply(500);
    const program = await openProgram({ scheduler: true, webhookAllowPrivate: true });
    const alice = program.open();
    const tool = { name: "get_run", arguments: { run_id: "none" } };
    const { job_id } = await ask(alice, "schedule_task", { tool, ...LATER, webhook_url: receiver.url });
    const { run_id } = await ask(alice, "run_job", { job_id, wait: true });
    const { deliveries } = await toldRun(alice, run_id);
    expect(deliveries).toMatchObject([
      { status: "pending", attempts: 1, last_status: 500, last_error: "It answered 500." },
    ]);
    expect(Date.parse(deliveries[0].next_attempt_at)).toBeGreaterThan(Date.now());
    expect(JSON.parse(receiver.received[0]?.body ?? "")).toMatchObject({
      type: "run.failed",
      data: {
        status: "failed",
        output: null,
        error: { code: expect.any(String), message: expect.any(String) },
      },
    });
    await ask(alice, "update_job", { job_id, webhook_url: receiver.url });
    // Models send an empty text for what they do not mean to change.
    expect(await ask(alice, "update_job", { job_id, webhook_url: "" })).toMatchObject({
      webhook_url: receiver.url,
    });
    const { webhook_url } = await ask(alice, "update_job", { job_id, webhook_url: null });
    expect(webhook_url).toBeUndefined();
    const quiet = await ask(alice, "run_job", { job_id, wait: true });
    expect((await endedRun(alice, job_id, quiet.run_id)).deliveries).toBeUndefined();
    expect(receiver.received).toHaveLength(1);
  });

  it("tells nobody of an answer that is the silent token", async () => {
    const receiver = await startReceiver();
    const answers = ["NOTHING", "Something."];
    const program = await openProgram({
      scheduler: true,
      webhookAllowPrivate: true,
      script: () => ({ text: answers.shift() ?? "" }),
    });
    const alice = program.open();
    const given = { prompt: "p", ...LATER, silent_token: "NOTHING", webhook_url: receiver.url };
    const { job_id } = await ask(alice, "schedule_task", given);
    const silent = await ask(alice, "run_job", { job_id, wait: true });
    expect(silent.silent).toBe(true);
    const { run_id } = await ask(alice, "run_job", { job_id, wait: true });
    await toldRun(alice, run_id);
    expect(receiver.received.map(({ body }) => JSON.parse(body).data.run_id)).toEqual([run_id]);
  });

  it.each([
    "https://127.0.0.1/secret-4711",
    "https://localhost/secret-4711",
    "https://[::ffff:10.0.0.1]/secret-4711",
    "http://example.com/secret-4711",
    "https://user:secret-4711@example.com/",
    "secret-4711",
  ])("is refused where it is given, and not repeated: %s", async (webhook_url) => {
    const alice = (await openProgram()).open();
    const { job_id } = await ask(alice, "schedule_task", { ...CLOCK, webhook_url: "https://example.com/" });
    for (const [tool, args] of [
      ["schedule_task", { ...CLOCK, webhook_url }],
      ["update_job", { job_id, webhook_url }],
    ] as const) {
      const result = await alice.toolkit.call(tool, args);
      expect(result.isError, tool).toBe(true);
      expect(JSON.stringify(result)).toMatch(/A webhook/);
      expect(JSON.stringify(result)).not.toContain("4711");
    }
    expect((await ask(alice, "get_job", { job_id })).webhook_url).toBe("https://example.com/");
  });

  it("may stand in a job file, which names the line of one that cannot be", async () => {
    const dir = await tempDir();
    const file = (url: string) => `---\ncron: 0 9 * * *\nwebhook_url: ${url}\n---\nDo it.`;
    await writeFile(join(dir, "a.md"), file("https://example.com/hook"));
    await writeFile(join(dir, "b.md"), file('""'));
    await writeFile(join(dir, "c.md"), file("ftp://example.com/4711"));
    const { jobs, problems } = await scanFolder(dir, Date.now());
    expect(jobs.map(({ job }) => job.provision?.webhookUrl)).toEqual(["https://example.com/hook", null]);
    expect(problems).toEqual([
      { file: "c.md", line: 3, message: "webhook_url: A webhook is an https:// URL." },
    ]);
  });

  it("shows a ghost nothing of deliveries, nor their owner's to another user", async () => {
    const receiver = await startReceiver();
    const program = await openProgram({ scheduler: true, webhookAllowPrivate: true });
    const alice = program.open();
    const tool = { name: "list_runs", arguments: {} };
    const { job_id } = await ask(alice, "schedule_task", { tool, ...LATER, webhook_url: receiver.url });
    const first = await ask(alice, "run_job", { job_id, wait: true });
    await toldRun(alice, first.run_id);
    await ask(alice, "update_job", {
      job_id,
      tool: { name: "get_run", arguments: { run_id: first.run_id } },
    });
    const second = await ask(alice, "run_job", { job_id, wait: true });
    expect(second.status).toBe("succeeded");
    expect(JSON.stringify(second.transcript)).toContain(first.run_id);
    expect(JSON.stringify(second)).not.toMatch(/deliver(?:ies|y_id)|127\.0\.0\.1/);
    await toldRun(alice, second.run_id);
    await expect(ask(program.open("bob"), "get_run", { run_id: first.run_id })).rejects.toThrow("no run");
  });
});

describe("a process that is killed while it tells of a run", () => {
  it("has it told by the next one, under the same id", async () => {
    const receiver = await startReceiver();
    receiver.reply(() => {});
    const data = await tempDir();
    const args = ["--data", data, "--user", "alice", "--webhook-allow-private"];
    const first = await startServer(args);
    const { job_id } = await first.call("schedule_task", { ...CLOCK, webhook_url: receiver.url });
    const { run_id } = await first.call("run_job", { job_id, wait: true });
    await eventually(async () => receiver.received.length > 0, 20_000);
    first.kill("SIGKILL");
    await first.exited;
    receiver.reply(200);
    // The claim ends in a minute, so the next program's clock is ahead.
    const program = await openProgram({
      dataDir: data,
      scheduler: true,
      webhookAllowPrivate: true,
      now: () => Date.now() + 61_000,
    });
    const run = await toldRun(program.open(), run_id);
    expect(run.deliveries).toMatchObject([{ status: "delivered", attempts: 2 }]);
    const ids = receiver.received.map(({ headers }) => headers["webhook-id"]);
    expect(ids).toEqual(Array(2).fill(run.deliveries[0].delivery_id));
  }, 60_000);
});

describe("a user's own webhook", () => {
  it("is told of the runs of all jobs, by `jobs run` too, and the command line shows it", async () => {
    const receiver = await startReceiver();
    const data = await tempDir();
    const program = await openProgram({ dataDir: data });
    const alice = program.open();
    const { job_id } = await ask(alice, "schedule_task", CLOCK);
    await program.close();
    const options = ["--data", data, "--user", "alice"];
    const set = await cli(["webhooks", "set", receiver.url, "--webhook-allow-private", ...options]);
    expect(set).toMatchObject({ code: 0, stderr: "" });
    const ran = await cli(["jobs", "run", job_id, "--webhook-allow-private", "--json", ...options]);
    const { run_id, deliveries } = JSON.parse(ran.stdout);
    expect(deliveries).toMatchObject([{ status: "delivered", attempts: 1 }]);
    const shown = await cli(["runs", "show", run_id, ...options]);
    expect(shown.stdout).toContain(`webhook delivered ${new URL(receiver.url).host}, 1 attempt\n`);
    const secret = (await cli(["webhooks", "secret", ...options])).stdout.trim();
    expect(receiver.received.map((one) => verify(secret, one).data.run_id)).toEqual([run_id]);
  }, 60_000);
});
