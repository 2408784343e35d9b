import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { MAX_ANSWER_BYTES } from "../../src/model/bounds.ts";
import type { ModelAnswer, ModelRequest } from "../../src/model/model.ts";
import { openModel } from "../../src/model/provider.ts";
import { openGhostWorld } from "../ghost/ghost-world.ts";

const NEVER = new AbortController().signal;
const HELLO: ModelRequest = { messages: [{ role: "user", text: "hello" }], tools: [] };
/** Of HELLO as JSON, a token for four bytes. */
const SENT_ESTIMATE = Math.ceil(JSON.stringify(HELLO).length / 4);
const RECEIVED_ESTIMATE = Math.ceil(JSON.stringify({ text: "hi", calls: [] }).length / 4);

const completion = (usage: string, content = "hi", reason = "stop") =>
  `{"id":"1","created":1,"model":"x","choices":[{"index":0,"finish_reason":"${reason}","message":{"role":"assistant","content":${JSON.stringify(content)}}}]${usage}}`;
const reporting = (input: string, output: string) =>
  `,"usage":{"prompt_tokens":${input},"completion_tokens":${output},"total_tokens":1}`;

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}
const sending = (body: string) =>
  serve((request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "application/json" }).end(body);
  });
function ask(baseUrl: string): Promise<ModelAnswer> {
  const config = { model: "openai-compatible:x", modelBaseUrl: baseUrl, modelApiKey: "sk-test" };
  return openModel(config, { retries: 2 })?.generate(HELLO, NEVER) as Promise<ModelAnswer>;
}

describe("the tokens that a model reports", () => {
  it.each([
    ["", SENT_ESTIMATE, RECEIVED_ESTIMATE],
    [',"usage":null', SENT_ESTIMATE, RECEIVED_ESTIMATE],
    [reporting("1e300", "3"), SENT_ESTIMATE, 3],
    [reporting("7", "1e300"), 7, RECEIVED_ESTIMATE],
    [reporting("-5", "-1e300"), SENT_ESTIMATE, RECEIVED_ESTIMATE],
    [reporting("7.5", "0.1"), SENT_ESTIMATE, RECEIVED_ESTIMATE],
    [reporting("9007199254740993", "2147483648"), SENT_ESTIMATE, RECEIVED_ESTIMATE],
    [reporting("1000000", "1000000"), SENT_ESTIMATE, RECEIVED_ESTIMATE],
    [reporting("0", "0"), SENT_ESTIMATE, RECEIVED_ESTIMATE],
    [reporting("null", "null"), SENT_ESTIMATE, RECEIVED_ESTIMATE],
  ])("are estimated where they cannot be true: %s", async (usage, input, output) => {
    expect(await ask(await sending(completion(usage)))).toEqual({
      text: "hi",
      calls: [],
      usage: { input_tokens: input, output_tokens: output },
      usageIsEstimate: true,
    });
  });

  it.each([
    [1, 1],
    [7, 3],
    [15_000, 120_000],
  ])("are believed where they can be true: %i in, %i out", async (input, output) => {
    expect(await ask(await sending(completion(reporting(`${input}`, `${output}`))))).toEqual({
      text: "hi",
      calls: [],
      usage: { input_tokens: input, output_tokens: output },
    });
  });

  it("block nobody until midnight, and the run says that they were estimated", async () => {
    const world = await openGhostWorld({
      script: () => ({ body: completion(reporting("1e300", "1e300")) }),
      maxTokensPerDay: 100_000,
    });
    for (let i = 0; i < 2; i++) {
      const run = await world.prompt("hello");
      expect(run).toMatchObject({ status: "succeeded", output: "hi" });
      expect(run.usage.input_tokens).toBeLessThan(2_000);
      expect(run.transcript.filter(({ text }) => text?.includes("partly an estimate"))).toHaveLength(1);
    }
  });
});

describe("the bytes that a model sends", () => {
  it("are read up to a limit, also without a length and of a failure", async () => {
    for (const status of [200, 500]) {
      let sent = 0;
      const baseUrl = await serve((request, response) => {
        request.resume();
        response.writeHead(status, { "content-type": "application/json" });
        const chunk = " ".repeat(64 * 1024);
        const send = () => {
          while (!response.destroyed && sent < 1e9) {
            sent += chunk.length;
            if (!response.write(chunk)) return void response.once("drain", send);
          }
        };
        send();
      });
      await expect(ask(baseUrl)).rejects.toMatchObject({
        code: "MODEL_FAILED",
        message: expect.stringContaining("longer than 4 MB"),
      });
      // What the sockets on both sides hold comes on top.
      expect(sent).toBeLessThan(MAX_ANSWER_BYTES * 5);
    }
  });

  it("are refused when they are mostly brackets, and not when a text has many", async () => {
    for (const part of ["{}", "[]", '{"message":{}}'])
      await expect(
        ask(await sending(`{"choices":[${Array(20_000).fill(part).join(",")}]}`)),
      ).rejects.toMatchObject({ code: "MODEL_FAILED", message: expect.stringContaining("parts") });
    const text = '{"a\\": [{'.repeat(10_000);
    expect(await ask(await sending(completion(reporting("7", "3"), text)))).toMatchObject({ text });
  });

  it.each([301, 302, 303, 307, 308])("are not asked of another address (%i)", async (status) => {
    const asked: string[] = [];
    const elsewhere = await serve((request, response) => {
      asked.push(`${request.url}`);
      response.writeHead(200, { "content-type": "application/json" }).end(completion(""));
    });
    let requests = 0;
    const baseUrl = await serve((request, response) => {
      requests++;
      request.resume();
      response.writeHead(status, { location: elsewhere }).end();
    });
    await expect(ask(baseUrl)).rejects.toMatchObject({
      code: "MODEL_FAILED",
      message: expect.stringMatching(/redirects to another address/),
    });
    expect([requests, asked]).toEqual([1, []]);
  });
});
