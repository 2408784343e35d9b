// Imported for its side effect, which opens stdin: the checks for leaks must not count that.
import "@modelcontextprotocol/server";
import { onTestFinished } from "vitest";
import { type ContextSeed, createUserContext } from "../../src/context/user-context.ts";
import { createCatalog } from "../../src/tools/catalog.ts";
import { type ToolDefinition, type ToolSpec, toDefinition } from "../../src/tools/define.ts";
import type { ToolResult } from "../../src/tools/result.ts";
import type { Services } from "../../src/tools/services.ts";
import { buildToolkit } from "../../src/tools/toolkit.ts";

export interface ToolWorldOptions {
  readonly user?: string;
  readonly seed?: Partial<ContextSeed>;
  readonly services?: Partial<Services>;
  /** Built-in tools, besides the user's own. */
  readonly builtIn?: readonly ToolDefinition<Services>[];
}

/** A toolkit with a user's own tools, as a connection has it; disposed with the test. */
export function openToolWorld(specs: readonly ToolSpec<never>[], options: ToolWorldOptions = {}) {
  const logged: Record<string, unknown>[] = [];
  const ended = new AbortController();
  const context = createUserContext({
    principal: { issuer: "test", subject: options.user ?? "alice" },
    entityType: "human",
    signal: ended.signal,
    ...options.seed,
  });
  const catalog = createCatalog<Services>([...(options.builtIn ?? []), ...specs.map(toDefinition)]);
  const toolkit = buildToolkit(
    catalog,
    context,
    { now: Date.now, ...options.services },
    {
      error: (fields, message) => logged.push({ ...fields, message }),
    },
  );
  onTestFinished(() => toolkit.dispose());
  return { toolkit, context, logged, end: (reason?: unknown) => ended.abort(reason) };
}

export const textIn = (result: ToolResult): string => String(result.content[0]?.text);

/** The part of an error that is meant for programs. */
export const errorIn = ({ _meta }: ToolResult) =>
  _meta?.["nightshift/error"] as { code: string; message: string; correlation_id: string } | undefined;

export const codeOf = (result: ToolResult): string | undefined => errorIn(result)?.code;
