import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { cli, type StartOptions } from "../child-process.ts";
import { tempDir } from "../harness.ts";
import { startReceiver, TLS_CERTIFICATE, verify } from "../webhooks/receiver.ts";

let data: string;
const webhooks = (args: string[], options: StartOptions = {}, user = "alice") =>
  cli(["webhooks", ...args, "--data", data, "--user", user], options);

beforeEach(async () => {
  data = await tempDir();
});

describe("nightshift webhooks", () => {
  it("sets, shows, tests and removes one user's", async () => {
    const receiver = await startReceiver();
    expect((await webhooks(["show"])).stdout).toMatch(/^No webhook\./);
    const set = await webhooks(["set", receiver.url, "--webhook-allow-private", "--json"]);
    expect(JSON.parse(set.stdout)).toEqual({ url: receiver.url });
    expect(JSON.parse((await webhooks(["show", "--json"])).stdout)).toEqual({
      url: receiver.url,
      deliveries: { pending: 0, delivered: 0, failed: 0 },
    });
    expect((await webhooks(["show"], {}, "bob")).stdout).toMatch(/^No webhook\./);
    const tested = await webhooks(["test", "--webhook-allow-private"]);
    expect(tested).toMatchObject({ code: 0, stdout: "It arrived, and was answered with 204.\n" });
    const { secret } = JSON.parse((await webhooks(["secret", "--json"])).stdout);
    const [received] = receiver.received;
    expect(received && verify(secret, received)).toMatchObject({ type: "webhook.test" });
    for (const { stdout, stderr } of [set, tested]) expect(stdout + stderr).not.toContain("whsec_");
    expect(JSON.parse((await webhooks(["remove", "--json"])).stdout)).toEqual({ removed: true });
    const untested = await webhooks(["test"]);
    expect(untested.code).toBe(1);
    expect(untested.stderr).toContain("There is no webhook to test");
  }, 60_000);

  it("signs with the old secret too after a rotation", async () => {
    const receiver = await startReceiver();
    await webhooks(["set", receiver.url, "--webhook-allow-private"]);
    const old = (await webhooks(["secret"])).stdout.trim();
    const fresh = (await webhooks(["secret", "--rotate"])).stdout.trim();
    expect(fresh).not.toBe(old);
    await webhooks(["test", "--webhook-allow-private"]);
    const [received] = receiver.received;
    if (!received) throw new Error("nothing was received");
    for (const secret of [old, fresh]) expect(verify(secret, received).type).toBe("webhook.test");
  }, 60_000);

  it("refuses what is private unless the setting allows it, whatever it is set to otherwise", async () => {
    for (const env of [
      {},
      { NIGHTSHIFT_WEBHOOK_ALLOW_PRIVATE: "false" },
      { NIGHTSHIFT_WEBHOOK_ALLOW_PRIVATE: "" },
    ]) {
      const { code, stderr } = await webhooks(["set", "https://127.0.0.1/hook-4711"], { env });
      expect(code).toBe(1);
      expect(stderr).toContain("public address");
      expect(stderr).not.toContain("4711");
    }
    const env = { NIGHTSHIFT_WEBHOOK_ALLOW_PRIVATE: "true" };
    expect((await webhooks(["set", "https://127.0.0.1/hook"], { env })).code).toBe(0);
    const tested = await webhooks(["test", "--json"]);
    expect(tested.code).toBe(1);
    expect(JSON.parse(tested.stdout)).toMatchObject({
      delivered: false,
      error: expect.stringContaining("public address"),
    });
  }, 60_000);

  it("reaches a receiver over TLS whose certificate is vouched for, by name", async () => {
    const receiver = await startReceiver({ tls: true });
    const url = receiver.url.replace("127.0.0.1", "localhost");
    const authority = join(data, "authority.pem");
    await writeFile(authority, TLS_CERTIFICATE);
    await webhooks(["set", url, "--webhook-allow-private"]);
    const test = (env: Record<string, string>) => webhooks(["test", "--webhook-allow-private"], { env });
    expect(await test({ NODE_EXTRA_CA_CERTS: authority })).toMatchObject({ code: 0 });
    expect((await test({})).stdout).toMatch(/^It did not arrive\. It could not be reached \(.*SELF_SIGNED/);
    expect(receiver.received).toHaveLength(1);
  }, 60_000);
});
