import { z } from "zod";
import type { Scope } from "../context/scopes.ts";
import type { UserContext } from "../context/user-context.ts";
import { messageOf, NightshiftError } from "../errors.ts";
import { toUserToolResult } from "./result.ts";
import { lazySchema, parseWith, type Schema } from "./schema.ts";

/** MCP's tool annotations: hints for clients, never a permission. */
export interface ToolAnnotations {
  readonly readOnlyHint?: boolean;
  readonly destructiveHint?: boolean;
  readonly idempotentHint?: boolean;
  readonly openWorldHint?: boolean;
}

/** The call that a tool serves. */
export interface ToolCall {
  /** Aborts when the caller goes away, cancels, or the tool's time is over. */
  readonly signal: AbortSignal;
  /** Reports progress to a caller that asked for it; does nothing otherwise. */
  readonly progress: (done: number, total?: number, message?: string) => void;
}

/** The context that a tool's code is given: no stores and no other users. */
export type ToolContext = Pick<
  UserContext,
  "userId" | "entityType" | "sessionId" | "threadId" | "runId" | "correlationId" | "signal" | "metadata"
>;

type ToolRun<Args> = (args: Args, call: ToolCall) => unknown;

/** The instance of a tool for one context. */
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
  /** Default 60,000. After that the call is aborted and fails with TOOL_TIMED_OUT. */
  readonly timeoutMs?: number;
}

/** A tool as a module defines it. Give `run`, or `create` when each context needs state of its own. */
export interface ToolSpec<Args = Record<string, unknown>> extends ToolMetadata {
  /** zod, any Standard Schema that has a JSON Schema, or JSON Schema; default: no arguments. */
  readonly inputSchema?: Schema<Args>;
  readonly outputSchema?: Schema<unknown>;
  /**
   * Answers a call. A string becomes text; an object becomes structured content with its JSON as text; a value
   * with `content` is an MCP result as it is. An error that it throws is shown to the model as the tool's error.
   */
  readonly run?: ToolRun<Args>;
  readonly create?: (context: ToolContext) => ToolInstance<Args>;
}

/**
 * Defines a tool for `--tools` or `createNightshift({ tools })`. Returns its argument unchanged: the helper exists for
 * its types.
 */
export function defineTool<Args = Record<string, unknown>>(spec: ToolSpec<Args>): ToolSpec<Args> {
  return spec;
}

/**
 * A tool of the catalog. `Services` is everything that the host passes to the tools of one context: a tool has no other
 * access to a store.
 */
export interface ToolDefinition<Services = unknown> extends ToolMetadata {
  readonly inputSchema: Schema<never> | Schema<unknown>;
  readonly outputSchema?: Schema<unknown>;
  /** Lists the schema of the arguments as it is. Default: in the short form of `toListedSchema`. */
  readonly isListedInFull?: boolean;
  /** The scope that a caller's credential needs; default none. */
  readonly scope?: Scope;
  /** The scope without which it changes nothing: a caller who lacks it is told that it is read-only. */
  readonly changesWith?: Scope;
  readonly create: (context: UserContext, services: Services, registryId: string) => ToolInstance<never>;
}

/** In zod: loading the validator for JSON Schema would cost a ghost's thread more than everything else in it. */
const NO_ARGUMENTS = lazySchema(() => z.strictObject({}));

/** Makes a catalog entry of a user's tool, which is given the public context and no services. */
export function toDefinition(spec: ToolSpec<never>): ToolDefinition<unknown> {
  const { run: _run, create: _create, inputSchema, ...rest } = spec;
  return {
    ...rest,
    inputSchema: inputSchema ?? NO_ARGUMENTS,
    isListedInFull: true,
    create(context) {
      const instance = instantiate(spec, toPublicContext(context));
      return {
        run: (args, call) =>
          withToolName(spec.name, async () => {
            const value = await instance.run(args, call);
            return spec.outputSchema
              ? checkOutput(spec.name, spec.outputSchema, value)
              : toUserToolResult(value, spec.name);
          }),
        dispose: () => instance.dispose?.(),
      };
    },
  };
}

/** The instance of a user's tool for one context. Methods keep their `this`: it may be an instance of a class. */
function instantiate(spec: ToolSpec<never>, context: ToolContext): ToolInstance<never> {
  if (!spec.create) return { run: (args, call) => spec.run?.(args, call) };
  try {
    const instance = spec.create(context);
    if (typeof instance?.run === "function") return instance;
  } catch (error) {
    throw toToolFailure(spec.name, error);
  }
  throw new NightshiftError("TOOL_FAILED", `${spec.name} failed: its create did not return { run }.`);
}

/** Checks a result here, where the error can name the problem: a client would refuse it without a reason. */
async function checkOutput(name: string, schema: Schema<unknown>, value: unknown): Promise<unknown> {
  const result = toUserToolResult(value, name);
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

/** Rethrows an error of a user's tool with the tool's name. Its message is shown to the model and to nobody else. */
async function withToolName(name: string, work: () => unknown): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    throw toToolFailure(name, error);
  }
}

function toToolFailure(name: string, error: unknown): NightshiftError {
  if (error instanceof NightshiftError) return error;
  const reason = messageOf(error);
  return new NightshiftError("TOOL_FAILED", `${name} failed: ${reason}`, {}, { cause: error });
}

/** The context without what a user's code must not know. */
export function toPublicContext(context: UserContext): ToolContext {
  const { userKey: _userKey, scopes: _scopes, ...rest } = context;
  return Object.freeze(rest);
}
