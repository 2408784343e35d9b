import { z } from "zod";
import type { Scope } from "../context/scopes.ts";
import type { UserContext } from "../context/user-context.ts";
import { NightshiftError } from "../errors.ts";
import { toToolResult } from "./result.ts";
import { lazySchema, parseWith, type Schema } from "./schema.ts";

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

type ToolRun<Args> = (args: Args, call: ToolCall) => unknown;

/** One context's own instance of a tool. */
export interface ToolInstance<Args = never> {
  readonly run: ToolRun<Args>;
  /** Called once, when the context ends. */
  readonly dispose?: () => void | Promise<void>;
}

interface ToolMetadata {
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
export interface ToolSpec<Args = Record<string, unknown>> extends ToolMetadata {
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
export interface ToolDefinition<Services = unknown> extends ToolMetadata {
  readonly inputSchema: Schema<never> | Schema<unknown>;
  readonly outputSchema?: Schema<unknown>;
  /** The scope that a caller's credential needs; default none. */
  readonly scope?: Scope;
  readonly create: (context: UserContext, services: Services, registryId: string) => ToolInstance<never>;
}

/** Not JSON Schema, whose validator would cost a ghost's thread more than all the rest of it. */
const NO_ARGUMENTS = lazySchema(() => z.strictObject({}));

/** Turns a user's spec into a catalog entry: it gets the context's public face and no services. */
export function toDefinition(spec: ToolSpec<never>): ToolDefinition<unknown> {
  const { run: _run, create: _create, inputSchema, ...rest } = spec;
  return {
    ...rest,
    inputSchema: inputSchema ?? NO_ARGUMENTS,
    create(context) {
      const instance = instantiate(spec, toPublicContext(context));
      return {
        run: (args, call) =>
          tellFailure(spec.name, async () => {
            const value = await instance.run(args, call);
            return spec.outputSchema ? checkOutput(spec.name, spec.outputSchema, value) : value;
          }),
        dispose: () => instance.dispose?.(),
      };
    },
  };
}

/** A spec's own instance for one context. Methods keep their `this`: an instance may be of a class. */
function instantiate(spec: ToolSpec<never>, context: ToolContext): ToolInstance<never> {
  if (!spec.create) return { run: (args, call) => spec.run?.(args, call) };
  try {
    const instance = spec.create(context);
    if (typeof instance?.run === "function") return instance;
  } catch (error) {
    throw failure(spec.name, error);
  }
  throw new NightshiftError("TOOL_FAILED", `${spec.name} failed: its create did not return { run }.`);
}

/** A client refuses a result that does not fit the schema it was shown; here the tool's author is told why. */
async function checkOutput(name: string, schema: Schema<unknown>, value: unknown): Promise<unknown> {
  const result = toToolResult(value, name);
  if (result.isError) return result;
  if (result.structuredContent === undefined)
    throw new NightshiftError(
      "TOOL_FAILED",
      `${name} failed: it has an outputSchema and returned no object.`,
    );
  const checked = await parseWith(schema, result.structuredContent);
  if ("value" in checked) return result;
  throw new NightshiftError(
    "TOOL_FAILED",
    `${name} failed: what it returned does not fit its outputSchema: ${checked.problems.join("; ")}`,
  );
}

/** A user's tool may say what went wrong in its own words: they reach the model and nobody else. */
async function tellFailure(name: string, work: () => unknown): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    throw failure(name, error);
  }
}

function failure(name: string, error: unknown): NightshiftError {
  if (error instanceof NightshiftError) return error;
  const said = error instanceof Error ? error.message : String(error);
  return new NightshiftError("TOOL_FAILED", `${name} failed: ${said}`, {}, { cause: error });
}

/** What of a context a user's code may know. */
export function toPublicContext(context: UserContext): ToolContext {
  const { userKey: _userKey, scopes: _scopes, ...rest } = context;
  return Object.freeze(rest);
}
