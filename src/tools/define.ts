import type { EntityType } from "../context/entity.ts";
import type { UserContext } from "../context/user-context.ts";
import { NightshiftError } from "../errors.ts";
import type { Schema } from "./schema.ts";

/** MCP's tool annotations: hints for clients, never a permission. */
export interface ToolAnnotations {
  readonly readOnlyHint?: boolean;
  readonly destructiveHint?: boolean;
  readonly idempotentHint?: boolean;
  readonly openWorldHint?: boolean;
}

/** What a tool's code may know of the call it serves. */
export interface ToolCall {
  /** Aborts when the caller goes away, cancels, or the tool's time is over. */
  readonly signal: AbortSignal;
  /** Tells a waiting caller how far the work is; a no-op when nobody asked. */
  readonly progress: (done: number, total?: number, message?: string) => void;
}

/** What a tool's code may know of whom it works for: no stores, no other users. */
export type ToolContext = Pick<
  UserContext,
  "userId" | "entityType" | "sessionId" | "threadId" | "runId" | "correlationId" | "signal" | "metadata"
>;

/** MCP's content blocks; a tool of one's own rarely needs more than a string or an object. */
export interface ToolResult {
  readonly content: readonly { readonly type: string; readonly [key: string]: unknown }[];
  readonly structuredContent?: Readonly<Record<string, unknown>>;
  readonly isError?: boolean;
  readonly _meta?: Readonly<Record<string, unknown>>;
}

export type ToolRun<Args> = (args: Args, call: ToolCall) => unknown;

/** One context's own instance of a tool. */
export interface ToolInstance<Args = never> {
  readonly run: ToolRun<Args>;
  /** Called once, when the context ends. */
  readonly dispose?: () => void | Promise<void>;
}

interface ToolFace {
  /** snake_case; what the model calls. */
  readonly name: string;
  /** Default: the name in words. */
  readonly title?: string;
  readonly description: string;
  readonly annotations?: ToolAnnotations;
  /** Default 60,000. The call is aborted and answered with TOOL_TIMED_OUT. */
  readonly timeoutMs?: number;
}

/** A tool as a module defines it. Give `run`, or `create` when each context needs state of its own. */
export interface ToolSpec<Args = Record<string, unknown>> extends ToolFace {
  /** zod, any Standard Schema that can say its JSON Schema, or JSON Schema; default: no arguments. */
  readonly inputSchema?: Schema<Args>;
  readonly outputSchema?: Schema<unknown>;
  /**
   * Answers a call. A string becomes text; an object becomes structured content with its JSON as text; a value
   * with `content` is an MCP result as it stands. What it throws is told to the model as the tool's error.
   */
  readonly run?: ToolRun<Args>;
  readonly create?: (context: ToolContext) => ToolInstance<Args>;
}

/**
 * Defines a tool for `--tools` or `createNightshift({ tools })`. It returns what it is given, checked: the
 * helper exists for its types.
 */
export function defineTool<Args = Record<string, unknown>>(spec: ToolSpec<Args>): ToolSpec<Args> {
  return spec;
}

/**
 * A tool of the catalog. `Services` is what the host hands to the tools of one context; a service that is
 * absent cannot be reached, whatever a tool does.
 */
export interface ToolDefinition<Services = unknown> extends ToolFace {
  readonly inputSchema: Schema<never> | Schema<unknown>;
  readonly outputSchema?: Schema<unknown>;
  /** Entity types that see the tool in `tools/list`; default all. */
  readonly audience?: readonly EntityType[];
  readonly create: (context: UserContext, services: Services, registryId: string) => ToolInstance<never>;
}

/** Turns a user's spec into a catalog entry: it gets the context's public face and no services. */
export function toDefinition(spec: ToolSpec<never>): ToolDefinition<unknown> {
  const { run, create, inputSchema, ...face } = spec;
  return {
    ...face,
    inputSchema: (inputSchema ?? {
      type: "object",
      properties: {},
      additionalProperties: false,
    }) as Schema<unknown>,
    create(context) {
      const instance = create?.(publicFace(context)) ?? { run: run as ToolRun<never> };
      return {
        ...instance,
        run: async (args, call) => tellFailure(spec.name, () => instance.run(args, call)),
      };
    },
  };
}

/** A user's tool may say what went wrong in its own words: they reach the model and nobody else. */
async function tellFailure(name: string, work: () => unknown): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NightshiftError) throw error;
    const said = error instanceof Error ? error.message : String(error);
    throw new NightshiftError("TOOL_FAILED", `${name} failed: ${said}`, {}, { cause: error });
  }
}

/** What of a context a user's code may know. */
export function publicFace(context: UserContext): ToolContext {
  const { userKey: _secretFromTools, ...face } = context;
  return Object.freeze(face);
}
