import type { EndReason, Usage } from "../jobs/run.ts";

/** A message of a conversation with a model. It can be posted to a thread, and is the same for every provider. */
export type Message =
  | { readonly role: "system"; readonly text: string }
  | { readonly role: "user"; readonly text: string }
  | { readonly role: "assistant"; readonly text: string; readonly calls: readonly ToolRequest[] }
  | { readonly role: "tool"; readonly results: readonly ToolAnswer[] };

interface ToolRequest {
  readonly callId: string;
  readonly tool: string;
  readonly arguments: unknown;
}

export interface ToolAnswer {
  readonly callId: string;
  readonly tool: string;
  readonly text: string;
  readonly isError: boolean;
}

export interface OfferedTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

export interface ModelRequest {
  readonly messages: readonly Message[];
  readonly tools: readonly OfferedTool[];
  /** `none`: the tools may not be called; they are listed because the conversation has earlier calls of them. */
  readonly toolUse?: "auto" | "none";
}

export interface ModelAnswer {
  readonly text: string;
  readonly calls: readonly ToolRequest[];
  readonly usage: Usage;
  /** True where the provider reported no usage, or one that cannot be true. */
  readonly usageIsEstimate?: boolean;
  /** Why the model stopped, when that was not because it had finished. */
  readonly end?: EndReason | undefined;
}

interface CallOptions {
  /** No wait for another try goes on after this, in ms of `performance.now()`. Default: no limit. */
  readonly until?: number;
}

/**
 * A language model behind its provider. `generate` tries again what may pass, after the wait that the provider asks
 * for. It rejects with MODEL_REFUSED_KEY, MODEL_RATE_LIMITED, MODEL_UNREACHABLE, MODEL_UNAVAILABLE (its provider had an
 * error), MODEL_FAILED or CANCELLED, each with a sentence for users and no key in it.
 */
export interface Model {
  /** As configured, e.g. `anthropic:claude-…`; for logs and `doctor`. */
  readonly name: string;
  generate(request: ModelRequest, signal: AbortSignal, options?: CallOptions): Promise<ModelAnswer>;
}
