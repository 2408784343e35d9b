import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { NightshiftError } from "../../src/errors.ts";
import type { ModelRequest } from "../../src/model/model.ts";
import { openModel } from "../../src/model/provider.ts";

const HELLO: ModelRequest = { messages: [{ role: "user", text: "hello" }], tools: [] };
const HTML = "<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>";
const GOOD = JSON.stringify({
  id: "1",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "back again" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 },
});

type Respond = (response: ServerResponse, count: number) => void;

/** A provider that responds with this, and counts its requests. */
async function provider(respond: Respond) {
  let count = 0;
  const server = createServer((request, response) => {
    request.resume();
    respond(response, ++count);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { address, count: () => count };
}

const sends =
  (status: number, body: string | object, headers: Record<string, string> = {}): Respond =>
  (response) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const type = text.startsWith("<") ? "text/html" : "application/json";
    response.writeHead(status, { "content-type": type, ...headers }).end(text);
  };

/** Says that more will come, and drops the connection. */
const cutsOff =
  (headers: Record<string, string>): Respond =>
  (response) => {
    response.writeHead(200, { "content-type": "application/json", ...headers });
    response.write(GOOD.slice(0, 60), () => response.socket?.destroy());
  };

interface Asked {
  readonly retries?: number;
  readonly until?: number;
  readonly path?: string;
}

async function ask(address: string, { retries = 0, until, path = "/v1" }: Asked = {}) {
  const model = openModel(
    { model: "openai-compatible:m", modelBaseUrl: address + path, modelApiKey: undefined },
    { retries },
  );
  if (!model) throw new Error("no model");
  return model
    .generate(HELLO, new AbortController().signal, { ...(until !== undefined && { until }) })
    .catch((error: NightshiftError) => error);
}

async function failureOf(respond: Respond, asked?: Asked): Promise<NightshiftError> {
  const error = await ask((await provider(respond)).address, asked);
  if (!(error instanceof NightshiftError)) throw new Error("it did not fail");
  return error;
}

describe("a failure of the model's provider that may pass", () => {
  it.each<[string, Respond]>([
    ["a connection dropped in mid-body", cutsOff({ "content-length": "5000" })],
    ["a chunked body that is cut", cutsOff({ "transfer-encoding": "chunked" })],
    ["half an answer", sends(200, GOOD.slice(0, 60))],
    ["an empty body with an error", sends(200, { error: {} })],
    ["200 with an error", sends(200, { error: { message: "upstream is busy" } })],
    ["200 with an error in words", sends(200, { error: "model is loading" })],
    ["200 with an error's code in words", sends(200, { error: { type: "overloaded_error" } })],
    ["200 with the status of another", sends(200, { error: { code: 502, message: "bad gateway" } })],
    ["200 with a page", sends(200, HTML)],
    ["408", sends(408, { error: { message: "timeout" } })],
    ["409", sends(409, "")],
    ["425", sends(425, "")],
    ["500 with a page", sends(500, HTML)],
    ["502 with a page", sends(502, HTML)],
    ["503 without a body", sends(503, "")],
    ["504 with a page", sends(504, HTML)],
    ["520 of a proxy", sends(520, HTML)],
    ["529", sends(529, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } })],
  ])("is MODEL_UNAVAILABLE: %s", async (_, respond) => {
    expect(await failureOf(respond)).toMatchObject({ code: "MODEL_UNAVAILABLE" });
  });

  it("is tried again until it has passed", async () => {
    for (const first of [
      cutsOff({ "content-length": "5000" }),
      sends(200, { error: {} }),
      sends(408, HTML),
    ]) {
      const { address, count } = await provider((response, n) =>
        n === 1 ? first(response, n) : sends(200, GOOD)(response, n),
      );
      expect(await ask(address, { retries: 1 })).toMatchObject({ text: "back again" });
      expect(count()).toBe(2);
    }
  });

  it.each([
    ["429", sends(429, { error: { message: "slow down" } })],
    ["429 with a page", sends(429, HTML)],
    [
      "429 of a quota for a minute",
      sends(429, { error: { status: "RESOURCE_EXHAUSTED", message: "You exceeded your current quota" } }),
    ],
    ["200 with 429 in it", sends(200, { error: { code: 429, message: "slow down" } })],
    ["200 with its words", sends(200, { error: { code: "rate_limit_exceeded" } })],
  ])("is MODEL_RATE_LIMITED: %s", async (_, respond) => {
    expect(await failureOf(respond)).toMatchObject({ code: "MODEL_RATE_LIMITED" });
  });
});

describe("a failure of the model's provider that another try would repeat", () => {
  it.each<[string, Respond, string, RegExp]>([
    [
      "429 without quota",
      sends(429, { error: { code: "insufficient_quota", message: "You exceeded your current quota" } }),
      "MODEL_FAILED",
      /nothing left to spend.*Add credit/,
    ],
    [
      "429 without quota, by type",
      sends(429, { error: { type: "insufficient_quota" } }),
      "MODEL_FAILED",
      /nothing left/,
    ],
    [
      "200 without quota",
      sends(200, { error: { code: "insufficient_quota" } }),
      "MODEL_FAILED",
      /nothing left/,
    ],
    ["402", sends(402, { error: { message: "Insufficient Balance" } }), "MODEL_FAILED", /nothing left/],
    [
      "400 without credit",
      sends(400, { error: { type: "invalid_request_error", message: "Your credit balance is too low" } }),
      "MODEL_FAILED",
      /nothing left/,
    ],
    [
      "400",
      sends(400, { error: { message: "too many tokens" } }),
      "MODEL_FAILED",
      /did not accept the request \(HTTP 400\): too many tokens/,
    ],
    ["413 with a page", sends(413, HTML), "MODEL_FAILED", /did not accept/],
    [
      "401 in a 200",
      sends(200, { error: { code: "invalid_api_key" } }),
      "MODEL_REFUSED_KEY",
      /refused the key/,
    ],
    ["an answer without choices", sends(200, { choices: [] }), "MODEL_FAILED", /not a model's answer/],
  ])("is told as such, and not tried again: %s", async (_, respond, code, message) => {
    const { address, count } = await provider(respond);
    const error = await ask(address, { retries: 2 });
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(count()).toBe(1);
  });

  it("names the address where there is no such address", async () => {
    for (const body of [HTML, "", '{"detail":"Not Found"}', "404 page not found"]) {
      const error = await failureOf(sends(404, body), { path: "/api" });
      expect(error.message).toMatch(
        /knows no model "m", or has no model's API at http:\/\/127\.0\.0\.1:\d+\/api \(HTTP 404\)\. Check NIGHTSHIFT_MODEL_BASE_URL/,
      );
    }
    const known = await failureOf(sends(404, { error: { message: "model m not found" } }));
    expect(known.message).toMatch(/knows no model "m" \(HTTP 404\)\. Check NIGHTSHIFT_MODEL\.$/);
  });
});

describe("the wait that a provider asks for", () => {
  it.each([
    ["seconds", { "retry-after": "90" }, 90_000],
    ["part of a second", { "retry-after": "0.5" }, 500],
    ["milliseconds", { "retry-after-ms": "1500" }, 1_500],
    ["both", { "retry-after-ms": "1500", "retry-after": "2" }, 1_500],
    ["nothing that can be read", { "retry-after": "soon" }, undefined],
    ["a past date", { "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }, undefined],
    ["less than nothing", { "retry-after": "-5" }, undefined],
    ["years", { "retry-after": "99999999" }, 24 * 3_600_000],
  ])("is told with the failure: %s", async (_, headers, expected) => {
    const { data } = await failureOf(sends(429, "{}", headers));
    expect(data.retry_after_ms).toBe(expected);
  });

  it("is told with the failure: a date", async () => {
    const date = new Date(Date.now() + 60_000).toUTCString();
    const { data } = await failureOf(sends(503, "{}", { "retry-after": date }));
    expect(data.retry_after_ms).toBeGreaterThan(50_000);
    expect(data.retry_after_ms).toBeLessThanOrEqual(60_000);
  });

  it("is waited for, unless the run's time ends before it", async () => {
    const { address, count } = await provider((response, n) =>
      n === 1 ? sends(429, "{}", { "retry-after-ms": "20" })(response, n) : sends(200, GOOD)(response, n),
    );
    // Too little time for the wait of a provider that asks for none.
    const until = performance.now() + 1_500;
    expect(await ask(address, { retries: 2, until })).toMatchObject({ text: "back again" });
    expect(count()).toBe(2);
    const far = await provider(sends(429, "{}", { "retry-after": "90" }));
    const error = await ask(far.address, { retries: 2, until: performance.now() + 60_000 });
    expect(error).toMatchObject({
      code: "MODEL_RATE_LIMITED",
      message: expect.stringContaining("a wait of 90 s"),
    });
    expect(far.count()).toBe(1);
  });
});
