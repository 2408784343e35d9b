import { defineTool } from "../../../src/tools/define.ts";

const text = (said: string) => ({ type: "text", text: said });

class Point {
  readonly x = 1;
  toJSON() {
    return "a point";
  }
}

/** What a user's tool may return: good results, odd ones, and what only looks like one. */
const RESULTS: Record<string, () => unknown> = {
  nothing: () => undefined,
  string: () => 'a string with "quotes" and \u2028',
  lone_surrogate: () => "\ud800",
  number: () => Number.NaN,
  bigint: () => 12n,
  symbol: () => Symbol("odd"),
  object: () => ({ a: 1, b: undefined, c: [null], d: new Date(0) }),
  list: () => [1, 2],
  date: () => new Date(0),
  point: () => new Point(),
  circular: () => {
    const ring: Record<string, unknown> = {};
    ring.ring = ring;
    return ring;
  },
  result: () => ({ content: [text("hi")] }),
  empty: () => ({ content: [] }),
  structured: () => ({ content: [text("hi")], structuredContent: { a: new Date(0), b: new Point() } }),
  structured_bigint: () => ({ content: [text("hi")], structuredContent: { a: 1n } }),
  circular_meta: () => {
    const ring: Record<string, unknown> = {};
    ring.ring = ring;
    return { content: [{ ...text("hi"), _meta: ring }] };
  },
  throwing_json: () => ({
    content: [text("hi")],
    structuredContent: {
      toJSON() {
        throw new Error("no JSON");
      },
    },
  }),
  structured_list: () => ({ content: [], structuredContent: [1] }),
  structured_number: () => ({ content: [], structuredContent: 5 }),
  structured_null: () => ({ content: [text("hi")], structuredContent: null }),
  structured_point: () => ({ content: [text("hi")], structuredContent: new Point() }),
  image: () => ({ content: [{ type: "image", data: "aGk=", mimeType: "image/png" }] }),
  bad_image: () => ({ content: [{ type: "image", data: 5 }] }),
  unknown_block: () => ({ content: [{ type: "dance" }] }),
  bad_text: () => ({ content: [{ type: "text", text: 5 }] }),
  more_in_text: () => ({ content: [{ ...text("hi"), annotations: { priority: 1 }, odd: true }] }),
  bare_text: () => ({ content: [Object.assign(Object.create(null), text("hi"))] }),
  text_with_method: () => ({ content: [Object.assign(Object.create({ toJSON: () => "odd" }), text("hi"))] }),
  hole: () => ({ content: Array(1) }),
  error: () => ({ content: [text("no")], isError: true }),
  bad_error: () => ({ content: [text("no")], isError: "yes" }),
  undefined_fields: () => ({ content: [text("hi")], isError: undefined, structuredContent: undefined }),
  meta: () => ({ content: [text("hi")], _meta: { mine: 1 } }),
  error_meta: () => ({ content: [text("hi")], _meta: { "nightshift/error": new Point() } }),
  date_meta: () => ({ content: [text("hi")], _meta: new Date(0) }),
  server_meta: () => ({
    content: [text("hi")],
    _meta: { "io.modelcontextprotocol/serverInfo": { name: "other", version: "9" } },
  }),
  bad_meta: () => ({ content: [text("hi")], _meta: 5 }),
  other_field: () => ({ content: [text("hi")], more: 1 }),
  result_type: () => ({ content: [text("hi")], resultType: "complete" }),
  other_type: () => ({ content: [text("hi")], resultType: "dance" }),
  input_required: () => ({ content: [text("hi")], resultType: "input_required", requestState: "s" }),
  bad_input: () => ({ content: [text("hi")], resultType: "input_required" }),
  needs_form: () => ({
    content: [],
    resultType: "input_required",
    inputRequests: {
      a: {
        method: "elicitation/create",
        params: { message: "?", requestedSchema: { type: "object", properties: {} } },
      },
    },
  }),
  throws: () => {
    throw new Error("it broke");
  },
  throws_nothing: () => Promise.reject(undefined),
  never: () => new Promise(() => {}),
};

export const tools = Object.entries(RESULTS).map(([name, run]) =>
  defineTool({ name: `give_${name}`, description: "Gives a result.", timeoutMs: 60, run: async () => run() }),
);

export const echo = defineTool<{ value?: unknown }>({
  name: "echo",
  description: "Gives back its argument.",
  inputSchema: { type: "object", properties: { value: {} } },
  run: ({ value }) => ({ content: [text(typeof value)], structuredContent: { value } }),
});

export const strict = defineTool({
  name: "strict",
  description: "Has an output schema that its result does not fit.",
  outputSchema: { type: "object", properties: { a: { type: "number" } }, required: ["a"] },
  run: () => ({ a: "one" }),
});

export const tells = defineTool({
  name: "tells",
  description: "Reports progress.",
  run: (_args, call) => {
    call.progress(1, 2, "half");
    return "done";
  },
});
