import type { ModelMessage, ToolSet, wrapLanguageModel } from "ai";
import { retry } from "../async.ts";
import type { Config } from "../config.ts";
import { NightshiftError } from "../errors.ts";
import type { EndReason } from "../jobs/run.ts";
import { addressOf, splitName } from "./address.ts";
import { checkUsage, fetchBounded } from "./bounds.ts";
import { explainFailure, type ModelLocation, PASSING } from "./failure.ts";
import type { Message, Model, ModelAnswer, ModelRequest } from "./model.ts";
import type { Pace } from "./pace.ts";

type LanguageModel = Parameters<typeof wrapLanguageModel>[0]["model"];

export type ModelConfig = Pick<Config, "model" | "modelBaseUrl" | "modelApiKey">;

const RETRIES = 2;
/** The wait before the second try, doubled for the third, where the provider asks for none. */
const RETRY_MS = 2_000;

export interface ModelOptions {
  /** Further tries after a failure that may pass. Default: 2. */
  readonly retries?: number;
  /** Each try waits for its turn. Default: no wait. */
  readonly pace?: Pace;
}

/**
 * The configured model, or undefined when there is none. The AI SDK and the provider are imported with the first
 * request: they take a hundred milliseconds and 30 MB, which a server without prompts never needs.
 */
export function openModel(
  config: ModelConfig,
  { retries = RETRIES, pace }: ModelOptions = {},
): Model | undefined {
  const name = config.model;
  if (!name) return undefined;
  const [provider, modelId] = splitName(name);
  const base = config.modelBaseUrl === undefined ? undefined : new URL(config.modelBaseUrl);
  const where: ModelLocation = { provider, modelId, address: base, key: config.modelApiKey };
  let loading: Promise<LanguageModel> | undefined;
  return {
    name,
    async generate(request, signal, { until = Number.POSITIVE_INFINITY } = {}) {
      let tries = 0;
      const ask = async () => {
        tries++;
        try {
          await pace?.take(signal, until);
          loading ??= load(provider, modelId, base, config.modelApiKey);
          return await generateStep(await loading, request, signal);
        } catch (error) {
          throw signal.aborted ? error : explainFailure(error, where, { isRetried: tries > 1 });
        }
      };
      const delayMs = (_: number, error: unknown) => {
        const asked = (error as NightshiftError).data.retry_after_ms;
        const pauseMs = typeof asked === "number" ? asked : RETRY_MS * 2 ** (tries - 1);
        return tries <= retries && performance.now() + pauseMs < until ? pauseMs : undefined;
      };
      const isWorthIt = (error: unknown) => error instanceof NightshiftError && PASSING.includes(error.code);
      try {
        return await retry(ask, { delayMs, isWorthIt, signal });
      } catch (error) {
        if (!signal.aborted) throw error;
        throw signal.reason instanceof NightshiftError
          ? signal.reason
          : new NightshiftError("CANCELLED", "The question to the model was cancelled.");
      }
    },
  };
}

async function load(
  provider: string,
  modelId: string,
  base: URL | undefined,
  apiKey: string | undefined,
): Promise<LanguageModel> {
  const settings = { ...(base && addressOf(base)), ...(apiKey && { apiKey }), fetch: fetchBounded };
  if (provider === "anthropic") {
    const { createAnthropic } = await import("@ai-sdk/anthropic");
    return createAnthropic(settings)(modelId);
  }
  if (provider === "openai") {
    const { createOpenAI } = await import("@ai-sdk/openai");
    // Chat completions and not the Responses API: the provider keeps no state of a ghost's conversation.
    return createOpenAI(settings).chat(modelId);
  }
  if (!base)
    throw new NightshiftError(
      "MODEL_NOT_CONFIGURED",
      "An openai-compatible model needs its address: set NIGHTSHIFT_MODEL_BASE_URL, e.g. http://127.0.0.1:11434/v1.",
    );
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
  return createOpenAICompatible({ name: "openai-compatible", ...settings, ...addressOf(base) })(modelId);
}

/** One step of a conversation: the model is offered the tools, and the ghost makes the calls that it asks for. */
async function generateStep(
  model: LanguageModel,
  request: ModelRequest,
  signal: AbortSignal,
): Promise<ModelAnswer> {
  // The AI SDK would print its warnings to a stream that may be MCP's.
  globalThis.AI_SDK_LOG_WARNINGS = false;
  const { generateText, jsonSchema, ToolChoiceViolationError, wrapLanguageModel } = await import("ai");
  const tools: ToolSet = {};
  for (const { name, description, inputSchema } of request.tools)
    tools[name] = { description, inputSchema: jsonSchema(inputSchema) };
  const system = request.messages.flatMap((message) => (message.role === "system" ? [message.text] : []));
  let answer: ModelAnswer | undefined;
  let end: EndReason | undefined;
  const distinctModel = wrapLanguageModel({
    model,
    middleware: {
      specificationVersion: "v4",
      async wrapGenerate({ doGenerate }) {
        const result = await doGenerate();
        end = endReasonOf(result.finishReason);
        return { ...result, content: withDistinctIds(result.content) };
      },
    },
  });
  try {
    await generateText({
      model: distinctModel,
      ...(system.length > 0 && { instructions: system.join("\n\n") }),
      messages: request.messages.flatMap(toSdkMessage),
      ...(request.tools.length > 0 && { tools, toolChoice: request.toolUse ?? "auto" }),
      // Tried again by `generate`: the SDK waits for no retry-after of a minute and more.
      maxRetries: 0,
      abortSignal: signal,
      // Read here and not from the result: there is no result when a model calls tools although it may not.
      onLanguageModelCallEnd: ({ content, usage }) => {
        const said = {
          text: content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join(""),
          calls: content.flatMap((part) =>
            part.type === "tool-call"
              ? [{ callId: part.toolCallId, tool: part.toolName, arguments: part.input }]
              : [],
          ),
          end,
        };
        const checked = checkUsage(usage, request, said);
        answer = { ...said, usage: checked.usage, ...(checked.isEstimate && { usageIsEstimate: true }) };
      },
    });
  } catch (error) {
    if (!answer || !ToolChoiceViolationError.isInstance(error)) throw error;
  }
  if (!answer) throw new NightshiftError("MODEL_FAILED", "The model gave no answer.");
  return answer;
}

/** The AI SDK finds a call by its id, so that of two with one id the second would get the arguments of the first. */
function withDistinctIds<Part extends { type: string }>(content: readonly Part[]): Part[] {
  const seen = new Set<string>();
  return content.map((part) => {
    if (!("toolCallId" in part) || part.type !== "tool-call") return part;
    let id = String(part.toolCallId);
    for (let n = 2; id === "" || seen.has(id); n++) id = `${part.toolCallId}_${n}`;
    seen.add(id);
    return { ...part, toolCallId: id };
  });
}

function endReasonOf({ unified, raw }: { unified: string; raw: string | undefined }): EndReason | undefined {
  if (unified === "length") return "length";
  if (unified !== "content-filter") return undefined;
  // A refusal of the model itself comes with another reason of the provider, or with "stop".
  return raw === "content_filter" ? "content_filter" : "refusal";
}

function toSdkMessage(message: Message): ModelMessage[] {
  if (message.role === "system") return [];
  if (message.role === "user") return [{ role: message.role, content: message.text }];
  if (message.role === "tool")
    return [
      {
        role: "tool",
        content: message.results.map(({ callId, tool, text, isError }) => ({
          type: "tool-result",
          toolCallId: callId,
          toolName: tool,
          output: { type: isError ? "error-text" : "text", value: text },
        })),
      },
    ];
  return [
    {
      role: "assistant",
      content: [
        ...(message.text ? [{ type: "text" as const, text: message.text }] : []),
        ...message.calls.map(({ callId, tool, arguments: input }) => ({
          type: "tool-call" as const,
          toolCallId: callId,
          toolName: tool,
          input,
        })),
      ],
    },
  ];
}
