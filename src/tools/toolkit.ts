import { getEntityType, withContext } from "../context/current-context.ts";
import type { UserContext } from "../context/user-context.ts";
import { NightshiftError } from "../errors.ts";
import { once } from "../lifecycle.ts";
import { type Catalog, isInScope, type ListedTool } from "./catalog.ts";
import type { ToolAnnotations, ToolDefinition, ToolInstance } from "./define.ts";
import { fitArguments } from "./fit-arguments.ts";
import { type ToolResult, toErrorResult, toToolResult } from "./result.ts";
import { type JsonSchema, parseWith, toJsonSchema } from "./schema.ts";

const DEFAULT_TOOL_TIMEOUT_MS = 60_000;

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly progress?: (done: number, total?: number, message?: string) => void;
}

/** Records unexpected failures: pino in the main thread, the broker's port in a ghost's thread. */
export interface FailureLog {
  error(fields: object, message: string): void;
}

/** Told that the work of a tool begins, of the end of its call, and of the end of the work, which may be later. */
export type NoteWork = (tool: string) => { answered(): void; ended(): void };

const NOTE_NOTHING: NoteWork = () => ({ answered() {}, ended() {} });

/** The tools of one context: made with it, disposed with it, and not shared. */
export interface Toolkit {
  readonly context: UserContext;
  readonly registryId: string;
  list(): readonly ListedTool[];
  has(name: string): boolean;
  outputSchema(name: string): JsonSchema | undefined;
  annotations(name: string): ToolAnnotations | undefined;
  /**
   * Calls a tool as this context. Never rejects: a failure is a result with `isError`, for the model to read.
   */
  call(name: string, args?: unknown, options?: CallOptions): Promise<ToolResult>;
  /** Aborts running calls, disposes every instance and refuses further calls. May be called twice. */
  dispose(): Promise<void>;
}

/** Makes the tools of a context. `services` is everything that they can reach. */
export function buildToolkit<Services>(
  catalog: Catalog<Services>,
  context: UserContext,
  services: Services,
  log: FailureLog,
  noteWork: NoteWork = NOTE_NOTHING,
): Toolkit {
  const registryId = `user_${context.userKey.slice(0, 12)}_${context.runId}_${Date.now()}`;
  const instances = new Map<string, ToolInstance<never>>();
  const inFlight = new Set<() => void>();
  let isDisposed = false;
  const offered = (name: string) => {
    const tool = catalog.definitions.get(name);
    return tool && isInScope(tool, context.scopes) ? tool : undefined;
  };

  // An instance is made at the first call of its tool: most connections use only a few tools.
  const instanceOf = (tool: ToolDefinition<Services>): ToolInstance<never> => {
    const known = instances.get(tool.name);
    if (known) return known;
    const made = tool.create(context, services, registryId);
    instances.set(tool.name, made);
    return made;
  };

  const assertOpen = () => {
    if (!isDisposed && !context.signal.aborted) return;
    throw new NightshiftError("CONTEXT_CLOSED", "This connection has ended; open a new one.");
  };

  const dispatch = async (name: string, args: unknown, options: CallOptions): Promise<ToolResult> => {
    assertOpen();
    const tool = offered(name);
    if (!tool)
      throw new NightshiftError(
        "TOOL_NOT_FOUND",
        `There is no tool "${abbreviate(name)}" here. ${namesOf(catalog.list(context.scopes))}`,
      );
    const parsed = await parseArguments(tool, args ?? {});
    if ("problems" in parsed)
      throw new NightshiftError(
        "INVALID_ARGUMENTS",
        explainProblems(tool, catalog, context, parsed.problems),
      );
    // The arguments were checked asynchronously, and the context may have ended meanwhile.
    assertOpen();
    const signals = [context.signal, ...(options.signal ? [options.signal] : [])];
    const progress = options.progress ?? (() => {});
    const value = await withDeadline(tool, signals, inFlight, noteWork, (stop) =>
      instanceOf(tool).run(parsed.value as never, Object.assign(stop, { progress })),
    );
    return toToolResult(value, name);
  };

  return {
    context,
    registryId,
    list: () => catalog.list(context.scopes),
    has: (name) => offered(name) !== undefined,
    annotations: (name) => offered(name)?.annotations,
    outputSchema: (name) => catalog.list(context.scopes).find((tool) => tool.name === name)?.outputSchema,
    call: (name, args, options = {}) =>
      withContext(context, async () => {
        try {
          return await dispatch(name, args, options);
        } catch (error) {
          if (!(error instanceof NightshiftError))
            log.error(
              { err: error, tool: abbreviate(name), entity_type: getEntityType() },
              "a tool failed unexpectedly",
            );
          return toErrorResult(error, context.correlationId);
        }
      }),
    dispose: once(async () => {
      isDisposed = true;
      for (const abort of [...inFlight]) abort();
      await disposeAll(instances, log);
    }),
  };
}

/** Schemas as JSON Schema, each converted once. */
const converted = new WeakMap<object, JsonSchema>();

/** Parses the arguments as they are, and where that fails in the form that `fitArguments` gives them. */
async function parseArguments({ inputSchema }: Pick<ToolDefinition, "inputSchema">, args: unknown) {
  const parsed = await parseWith(inputSchema, args);
  if (!("problems" in parsed)) return parsed;
  const json = converted.get(inputSchema) ?? toJsonSchema(inputSchema, "input");
  converted.set(inputSchema, json);
  return parseWith(inputSchema, fitArguments(json, args));
}

const DISPOSE_WAIT_MS = 2_000;

/** Disposes each instance once. One that fails, or takes longer than DISPOSE_WAIT_MS, is logged and left behind. */
async function disposeAll(instances: Map<string, ToolInstance<never>>, log: FailureLog): Promise<void> {
  const made = [...instances].filter(([, { dispose }]) => dispose);
  instances.clear();
  if (made.length === 0) return;
  const disposing = made.map(async ([tool, instance]) => {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      log.error({ err: new Error("its dispose did not finish"), tool }, "a tool was not disposed");
      resolve();
    }, DISPOSE_WAIT_MS);
    try {
      await Promise.race([late, (async () => instance.dispose?.())()]);
    } catch (error) {
      log.error({ err: error, tool }, "a tool was not disposed");
    } finally {
      clearTimeout(timer);
    }
  });
  await Promise.all(disposing);
}

/**
 * Runs `work` until it ends, times out, or one of `signals` aborts, whichever is first. While it runs, `inFlight` has a
 * function that aborts it. The signal of the call is made when the tool first looks at it.
 */
async function withDeadline(
  tool: ToolDefinition<never>,
  signals: readonly AbortSignal[],
  inFlight: Set<() => void>,
  noteWork: NoteWork,
  work: (stop: { readonly signal: AbortSignal }) => unknown,
): Promise<unknown> {
  const cancelled = () => new NightshiftError("CANCELLED", `The call of ${tool.name} was cancelled.`);
  // Nothing is started for a caller that is gone already.
  if (signals.some(({ aborted }) => aborted)) throw cancelled();
  let controller: AbortController | undefined;
  let reason: unknown;
  const stop = {
    get signal() {
      controller ??= new AbortController();
      if (reason !== undefined) controller.abort(reason);
      return controller.signal;
    },
  };
  const { answered, ended } = noteWork(tool.name);
  const working = startWork(() => work(stop), ended);
  // A tool that has answered already can be neither late nor stopped.
  if (!(working instanceof Promise)) return working;
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const end = (why: unknown) => {
    answered();
    reason = why;
    controller?.abort(why);
    reject(why);
  };
  const abort = () => end(cancelled());
  const timeoutMs = tool.timeoutMs ?? DEFAULT_TOOL_TIMEOUT_MS;
  const late = `${tool.name} did not answer within ${timeoutMs / 1000} s and was stopped.`;
  const timer = setTimeout(() => end(new NightshiftError("TOOL_TIMED_OUT", late)), timeoutMs);
  inFlight.add(abort);
  for (const signal of signals) {
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  }
  try {
    return await Promise.race([stopped, working]);
  } finally {
    clearTimeout(timer);
    inFlight.delete(abort);
    for (const signal of signals) signal.removeEventListener("abort", abort);
  }
}

/** Starts `work`. `ended` is called when it has ended, which may be after everybody stopped waiting for it. */
function startWork(work: () => unknown, ended: () => void): unknown {
  let working: unknown;
  try {
    working = work();
  } finally {
    if (working instanceof Promise) working.then(ended, ended);
    else ended();
  }
  return working;
}

function explainProblems<Services>(
  tool: ToolDefinition<Services>,
  catalog: Catalog<Services>,
  context: UserContext,
  problems: readonly string[],
): string {
  const shown = catalog.list(context.scopes).find(({ name }) => name === tool.name);
  const properties = Object.keys((shown?.inputSchema.properties as object) ?? {});
  const required = new Set((shown?.inputSchema.required as string[]) ?? []);
  const takes = properties.map((name) => (required.has(name) ? `${name} (required)` : name)).join(", ");
  return `${tool.name} was not run: ${problems.map(abbreviate).join("; ")}. It takes ${takes || "no arguments"}.`;
}

const namesOf = (tools: readonly ListedTool[]) => `Tools: ${tools.map(({ name }) => name).join(", ")}.`;

/** The start of a caller's text: enough to recognise it, too little to flood a log or a model. */
const abbreviate = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);
