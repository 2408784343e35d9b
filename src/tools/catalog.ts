import type { Scope } from "../context/scopes.ts";
import { NightshiftError } from "../errors.ts";
import type { ToolDefinition } from "./define.ts";
import { toListedSchema } from "./listed-schema.ts";
import { type JsonSchema, toJsonSchema } from "./schema.ts";

/** A tool as `tools/list` shows it. */
export interface ListedTool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly inputSchema: JsonSchema;
  readonly outputSchema?: JsonSchema;
  readonly annotations?: object;
}

/** The frozen list of tool definitions of this process; it holds no data of a user. */
export interface Catalog<Services> {
  readonly definitions: ReadonlyMap<string, ToolDefinition<Services>>;
  /** In the order of definition; schemas are converted once, at the first call. */
  list(scopes: readonly Scope[]): readonly ListedTool[];
}

const VALID_TOOL_NAME = /^[a-zA-Z0-9_.-]{1,64}$/;

/** Throws TOOL_MODULE_INVALID for a name that is malformed or taken: no tool replaces another in silence. */
export function createCatalog<Services>(tools: readonly ToolDefinition<Services>[]): Catalog<Services> {
  const definitions = new Map<string, ToolDefinition<Services>>();
  for (const tool of tools) {
    if (!VALID_TOOL_NAME.test(tool.name) || tool.name === "__proto__")
      throw new NightshiftError(
        "TOOL_MODULE_INVALID",
        `"${tool.name}" is no tool name: use letters, digits, _ - .`,
      );
    if (definitions.has(tool.name))
      throw new NightshiftError(
        "TOOL_MODULE_INVALID",
        `Two tools are named "${tool.name}"; rename one of them.`,
      );
    definitions.set(tool.name, Object.freeze({ ...tool }));
  }
  const listed = new Map<string, ListedTool>();
  const lists = new Map<string, readonly ListedTool[]>();
  const show = (tool: ToolDefinition<Services>): ListedTool => {
    const known = listed.get(tool.name);
    if (known) return known;
    const made = listTool(tool);
    listed.set(tool.name, made);
    return made;
  };
  return Object.freeze({
    definitions,
    list(scopes: readonly Scope[]) {
      const key = scopes.join();
      const known = lists.get(key);
      if (known) return known;
      const made = Object.freeze(
        [...definitions.values()]
          .filter((tool) => isInScope(tool, scopes))
          .map((tool) => asReadOnly(tool, show(tool), scopes)),
      );
      lists.set(key, made);
      return made;
    },
  });
}

/** True when a credential with these scopes is offered the tool. */
export function isInScope(tool: ToolDefinition<never>, scopes: readonly Scope[]): boolean {
  return !tool.scope || scopes.includes(tool.scope);
}

const asReadOnly = (
  { changesWith }: ToolDefinition<never>,
  listed: ListedTool,
  scopes: readonly Scope[],
): ListedTool =>
  changesWith === undefined || scopes.includes(changesWith)
    ? listed
    : Object.freeze({ ...listed, annotations: { readOnlyHint: true, openWorldHint: false } });

function listTool(tool: ToolDefinition<never>): ListedTool {
  const whole = toJsonSchema(tool.inputSchema, "input");
  const inputSchema = tool.isListedInFull ? whole : toListedSchema(whole);
  return Object.freeze({
    name: tool.name,
    title: tool.title ?? titleOf(tool.name),
    description: tool.description,
    inputSchema: { type: "object", ...inputSchema },
    ...(tool.outputSchema && {
      outputSchema: { type: "object", ...toJsonSchema(tool.outputSchema, "output") },
    }),
    ...(tool.annotations && { annotations: tool.annotations }),
  });
}

const titleOf = (name: string): string => {
  const words = name.replaceAll(/[_.-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
};
