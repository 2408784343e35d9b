import { NightshiftError } from "../errors.ts";
import type { Usage } from "../jobs/run.ts";
import { CutAnswerError } from "./failed-call.ts";
import type { ModelAnswer, ModelRequest } from "./model.ts";

/** Bytes of one response of a model's provider. */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Objects and lists of one response. Those that fit no schema cost 10 µs each on the main thread. */
const MAX_ANSWER_PARTS = 10_000;

/**
 * `fetch` for the AI SDK: the same, but a response is read whole within its limits, and a redirect is refused, because
 * the request holds the key and the prompt. Rejects with MODEL_FAILED, with a CutAnswerError, and as `fetch` does.
 */
export async function fetchBounded(...[input, init]: Parameters<typeof fetch>): Promise<Response> {
  const response = await fetch(input, { ...init, redirect: "manual" });
  if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
    await response.body?.cancel();
    throw failed(
      "it redirects to another address; set NIGHTSHIFT_MODEL_BASE_URL to that address if it is right",
    );
  }
  const body = await readBounded(response).catch((error: unknown) => {
    if (error instanceof NightshiftError || init?.signal?.aborted) throw error;
    throw new CutAnswerError("The answer was cut.", { cause: error });
  });
  if (hasTooManyParts(body)) throw failed(`its answer has more than ${MAX_ANSWER_PARTS} parts`);
  const { status, statusText, headers } = response;
  const hasNoBody = status === 204 || status === 205;
  return new Response(hasNoBody ? null : body, { status, statusText, headers });
}

const failed = (problem: string) =>
  new NightshiftError("MODEL_FAILED", `The model's provider cannot be used: ${problem}.`);

async function readBounded({ body }: Response): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop by an error cancels the body.
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES)
      throw failed(`its answer is longer than ${MAX_ANSWER_BYTES / 1024 / 1024} MB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const [QUOTE, BACKSLASH, LIST, OBJECT] = ['"', "\\", "[", "{"].map((sign) => sign.charCodeAt(0));

/** Counts the objects and lists of a JSON text, outside its strings. */
function hasTooManyParts(json: Uint8Array): boolean {
  let parts = 0;
  let isInString = false;
  for (let i = 0; i < json.length; i++) {
    const sign = json[i];
    if (isInString && sign === BACKSLASH) i++;
    else if (sign === QUOTE) isInString = !isInString;
    else if (!isInString && (sign === LIST || sign === OBJECT) && ++parts > MAX_ANSWER_PARTS) return true;
  }
  return false;
}

/** Tokens that a provider may add to a request: its own instructions, and the text around tools. */
const ADDED_INPUT_TOKENS = 20_000;
/** Tokens of thoughts, which are counted as output and not sent: as many as one answer of today's models can have. */
const HIDDEN_OUTPUT_TOKENS = 200_000;
/** Of English text. */
const BYTES_PER_TOKEN = 4;

/**
 * The tokens that a provider reports, where they can be true of what was sent and received: a whole number, of at most
 * one token a byte besides what is not seen. Otherwise an estimate of four bytes a token, and `isEstimate`. Zero for
 * something is not believed either: no budget would ever be spent.
 */
export function checkUsage(
  reported: { readonly inputTokens?: number | undefined; readonly outputTokens?: number | undefined },
  request: ModelRequest,
  { text, calls }: Pick<ModelAnswer, "text" | "calls">,
): { readonly usage: Usage; readonly isEstimate: boolean } {
  const sent = jsonBytesOf({ messages: request.messages, tools: request.tools });
  const received = text || calls.length > 0 ? jsonBytesOf({ text, calls }) : 0;
  const input = believable(reported.inputTokens, sent, ADDED_INPUT_TOKENS);
  const output = believable(reported.outputTokens, received, HIDDEN_OUTPUT_TOKENS);
  return {
    usage: {
      input_tokens: input ?? Math.ceil(sent / BYTES_PER_TOKEN),
      output_tokens: output ?? Math.ceil(received / BYTES_PER_TOKEN),
    },
    isEstimate: input === undefined || output === undefined,
  };
}

const jsonBytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

function believable(tokens: number | undefined, bytes: number, unseen: number): number | undefined {
  if (tokens === undefined || !Number.isSafeInteger(tokens)) return undefined;
  const least = bytes > 0 ? 1 : 0;
  return tokens >= least && tokens <= bytes + unseen ? tokens : undefined;
}
