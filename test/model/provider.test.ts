import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { NightshiftError } from "../../src/errors.ts";
import { findLocalModels } from "../../src/model/local.ts";
import type { ModelRequest } from "../../src/model/model.ts";
import { openModel } from "../../src/model/provider.ts";
import { type Script, startScriptedModel } from "../../src/model/scripted.ts";

const KEY = "sk-the-key-of-the-test";
const HELLO: ModelRequest = { messages: [{ role: "user", text: "hello" }], tools: [] };

async function scripted(script: Script) {
  const server = await startScriptedModel({ script });
  onTestFinished(() => server.close());
  return server;
}

function modelAt(baseUrl: string, retries = 0, provider = "openai-compatible") {
  const model = openModel(
    { model: `${provider}:scripted`, modelBaseUrl: baseUrl, modelApiKey: KEY },
    { retries },
  );
  if (!model) throw new Error("no model");
  return model;
}

/** The error of a model call, checked to contain neither the key nor the address's password. */
async function failureAt(baseUrl: string, retries = 0, provider?: string): Promise<NightshiftError> {
  const error = await modelAt(baseUrl, retries, provider)
    .generate(HELLO, new AbortController().signal)
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  expect(error).toBeInstanceOf(NightshiftError);
  const told = error as NightshiftError;
  expect(JSON.stringify([told.message, told.data, String(told.cause)])).not.toMatch(/sk-the-key|hunter2/);
  return told;
}

const failing = async (status: number, body = `{"error":{"message":"no: ${KEY}"}}`) =>
  (await scripted(() => ({ status, body }))).baseUrl;

describe("a model behind the AI SDK", () => {
  it("is absent when none is configured", () => {
    expect(openModel({ model: undefined, modelBaseUrl: undefined, modelApiKey: undefined })).toBeUndefined();
  });

  it("answers with text, tool calls and what it used", async () => {
    const server = await scripted(() => ({
      text: "Let me look.",
      calls: [{ tool: "look", arguments: { at: "sky" } }],
      usage: { input: 11, output: 7 },
    }));
    const tools = [{ name: "look", description: "looks", inputSchema: { type: "object", properties: {} } }];
    const answer = await modelAt(server.baseUrl).generate({ ...HELLO, tools }, new AbortController().signal);
    expect(answer).toEqual({
      text: "Let me look.",
      calls: [{ callId: expect.any(String), tool: "look", arguments: { at: "sky" } }],
      usage: { input_tokens: 11, output_tokens: 7 },
    });
    expect(server.requests[0]).toMatchObject({
      tools: ["look"],
      headers: { authorization: `Bearer ${KEY}` },
    });
  });

  it("is given the whole conversation, in order", async () => {
    const server = await scripted(() => ({ text: "ok" }));
    await modelAt(server.baseUrl).generate(
      {
        messages: [
          { role: "system", text: "be brief" },
          { role: "user", text: "look" },
          { role: "assistant", text: "", calls: [{ callId: "c1", tool: "look", arguments: { at: "sky" } }] },
          { role: "tool", results: [{ callId: "c1", tool: "look", text: "blue", isError: false }] },
        ],
        tools: [{ name: "look", description: "looks", inputSchema: { type: "object" } }],
      },
      new AbortController().signal,
    );
    expect(server.requests[0]?.messages).toMatchObject([
      { role: "system", content: "be brief" },
      { role: "user", content: "look" },
      { role: "assistant", toolCalls: [{ tool: "look", arguments: '{"at":"sky"}' }] },
      { role: "tool", content: "blue" },
    ]);
  });

  it("may call a tool although it must not, or one that does not exist, and its answer still counts", async () => {
    const server = await scripted(() => ({ calls: [{ tool: "other", arguments: {} }] }));
    const tools = [{ name: "look", description: "looks", inputSchema: { type: "object" } }];
    const signal = new AbortController().signal;
    for (const toolUse of ["none", "auto"] as const) {
      const answer = await modelAt(server.baseUrl).generate({ ...HELLO, tools, toolUse }, signal);
      expect(answer.calls).toMatchObject([{ tool: "other" }]);
      expect(answer.usage.input_tokens).toBeGreaterThan(0);
    }
  });

  it("speaks to OpenAI and Anthropic addresses with their own clients", async () => {
    const paths: string[] = [];
    const server = createServer((request, response) => {
      paths.push(`${request.url} ${request.headers["x-api-key"] ?? request.headers.authorization}`);
      response.writeHead(401, { "content-type": "application/json" }).end("{}");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    expect((await failureAt(base, 0, "anthropic")).code).toBe("MODEL_REFUSED_KEY");
    expect((await failureAt(base, 0, "openai")).code).toBe("MODEL_REFUSED_KEY");
    expect(paths).toEqual([`/v1/messages ${KEY}`, `/v1/chat/completions Bearer ${KEY}`]);
  });

  it("prints nothing", async () => {
    const written: string[] = [];
    const write = process.stdout.write;
    process.stdout.write = ((chunk: string) => written.push(String(chunk)) > 0) as never;
    try {
      await failureAt(await failing(500));
    } finally {
      process.stdout.write = write;
    }
    expect(written).toEqual([]);
  });
});

describe("a model that fails, says so to people", () => {
  it("with a refused key", async () => {
    for (const status of [401, 403]) {
      const error = await failureAt(await failing(status));
      expect(error.code).toBe("MODEL_REFUSED_KEY");
      expect(error.message).toMatch(
        /refused the key: .*127\.0\.0\.1:\d+ \(HTTP 40[13]\)\. Check NIGHTSHIFT_MODEL_API_KEY/,
      );
    }
  });

  it("with a rate limit, after trying again as late as retry-after says", async () => {
    const server = await scripted(() => ({ status: 429, body: "{}", headers: { "retry-after-ms": "20" } }));
    const error = await failureAt(server.baseUrl, 2);
    expect(server.requests).toHaveLength(3);
    expect(error.code).toBe("MODEL_RATE_LIMITED");
    expect(error.message).toMatch(/rate-limited: .* \(HTTP 429\), also when asked again/);
  });

  it("unless it recovers in time", async () => {
    let count = 0;
    const server = await scripted(() =>
      ++count < 3 ? { status: 503, body: "{}", headers: { "retry-after-ms": "10" } } : { text: "back again" },
    );
    const answer = await modelAt(server.baseUrl, 2).generate(HELLO, new AbortController().signal);
    expect(answer.text).toBe("back again");
  });

  it("with a refused connection", async () => {
    const server = await startScriptedModel({ script: () => ({}) });
    await server.close();
    const error = await failureAt(server.baseUrl);
    expect(error.code).toBe("MODEL_UNREACHABLE");
    expect(error.message).toMatch(/could not be reached: .*ECONNREFUSED.*NIGHTSHIFT_MODEL_BASE_URL/);
  });

  it("with a name that does not resolve, and a password in the address", async () => {
    const error = await failureAt("http://user:hunter2@nowhere.invalid/v1");
    expect(error.code).toBe("MODEL_UNREACHABLE");
    expect(error.message).toContain("nowhere.invalid");
  });

  it("with its own error", async () => {
    const error = await failureAt(await failing(500));
    expect(error).toMatchObject({
      code: "MODEL_UNAVAILABLE",
      message: expect.stringContaining("(HTTP 500)"),
    });
  });

  it("with an unknown model, and a request it does not take", async () => {
    expect((await failureAt(await failing(404))).message).toMatch(/knows no model "scripted"/);
    expect((await failureAt(await failing(400))).message).toMatch(
      /did not accept the request \(HTTP 400\): no: \[key\]/,
    );
  });

  it("with garbage instead of an answer", async () => {
    for (const body of ["[]", '{"choices":[]}', '{"choices":"x"}']) {
      const error = await failureAt(await failing(200, body));
      expect(error.code).toBe("MODEL_FAILED");
      expect(error.message).toMatch(/not a model's answer/);
    }
  });

  it("at once when it is cancelled, with the canceller's reason", async () => {
    const stop = new AbortController();
    const server = await scripted(() => {
      stop.abort(new NightshiftError("CANCELLED", "enough"));
      return { text: "late", delayMs: 600_000 };
    });
    await expect(modelAt(server.baseUrl, 2).generate(HELLO, stop.signal)).rejects.toMatchObject({
      code: "CANCELLED",
      message: "enough",
    });
    expect(server.requests).toHaveLength(1);
  });

  it("for want of an address", async () => {
    const model = openModel({
      model: "openai-compatible:x",
      modelBaseUrl: undefined,
      modelApiKey: undefined,
    });
    await expect(model?.generate(HELLO, new AbortController().signal)).rejects.toMatchObject({
      code: "MODEL_NOT_CONFIGURED",
    });
  });
});

describe("local models", () => {
  it("are found where a server lists them, and only there", async () => {
    const server = await scripted(() => ({}));
    const found = await findLocalModels([
      { server: "Ollama", baseUrl: server.baseUrl },
      { server: "LM Studio", baseUrl: "http://127.0.0.1:1/v1" },
    ]);
    expect(found).toEqual([{ server: "Ollama", baseUrl: server.baseUrl, models: ["scripted"] }]);
  });

  it("that are scripted say so", async () => {
    const server = await scripted(() => ({ text: "ok" }));
    const response = await fetch(`${server.baseUrl}/models`);
    expect(response.headers.get("x-nightshift-model")).toMatch(/not a language model/);
    expect(await response.json()).toMatchObject({ data: [{ id: "scripted", owned_by: "nightshift-demo" }] });
  });
});
