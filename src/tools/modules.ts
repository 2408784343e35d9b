import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { McpServer } from "@modelcontextprotocol/server";
import { messageOf, NightshiftError } from "../errors.ts";
import { type ToolContext, type ToolDefinition, type ToolSpec, toDefinition } from "./define.ts";
import { isStandard, type Schema, toJsonSchema } from "./schema.ts";

/** The context of a connection that a module's `register` is given. */
export interface ConnectionContext extends ToolContext {
  /**
   * Seals state for a handler that answers `inputRequired`: the client sends it back with its next request, where
   * `requestState()` reads it. Valid for ten minutes, in this process, and for this user only.
   */
  readonly mintState: (payload: unknown) => Promise<string>;
}

/** Registers a module's tools, resources and prompts on the new server of each connection. */
export type Register = (server: McpServer, context: ConnectionContext) => void | Promise<void>;

export interface LoadedModules {
  readonly tools: readonly ToolDefinition<unknown>[];
  readonly registers: readonly Register[];
}

const MODULE = /\.(?:ts|mts|js|mjs)$/;

/**
 * Loads the modules that `--tools` names: files, folders (without the folders in them) or globs,
 * in alphabetical order. Rejects with TOOL_MODULE_INVALID, which names the file and its problem.
 */
export async function loadToolModules(patterns: readonly string[]): Promise<LoadedModules> {
  const tools: ToolDefinition<unknown>[] = [];
  const registers: Register[] = [];
  for (const file of await findModules(patterns)) {
    const exported = await importModule(file);
    // One tool may be exported twice, by name and as the default.
    const found = new Set(Object.entries(exported).flatMap(([key, value]) => specsIn(key, value, file)));
    tools.push(...[...found].map(toDefinition));
    if (typeof exported.register === "function")
      registers.push(withFileName(file, exported.register as Register));
    else if (found.size === 0)
      throw invalidModule(
        file,
        "it exports no tool and no register function; export something made with defineTool",
      );
  }
  return { tools, registers };
}

async function findModules(patterns: readonly string[]): Promise<readonly string[]> {
  const files = new Set<string>();
  for (const pattern of patterns) {
    const path = resolve(pattern);
    const { stat } = await fileSystem();
    const info = await stat(path).catch(() => undefined);
    const found = info?.isFile() ? [path] : await (info?.isDirectory() ? filesIn(path) : matching(path));
    const modules = found.filter((file) => MODULE.test(file) && !file.endsWith(".d.ts"));
    if (modules.length === 0)
      throw invalidModule(pattern, "no module is there; name a .ts or .js file, a folder or a glob");
    for (const file of modules.sort()) files.add(file);
  }
  return [...files];
}

/** Imported only when there are modules: every ghost's thread imports this file, and few have any. */
const fileSystem = () => import("node:fs/promises");

const matching = async (pattern: string): Promise<string[]> =>
  Array.fromAsync((await fileSystem()).glob(pattern));

async function filesIn(folder: string): Promise<string[]> {
  return (await (await fileSystem()).readdir(folder)).map((name) => join(folder, name));
}

/** Adds the module's name to an error of its `register`, which fails only when a connection opens. */
function withFileName(file: string, register: Register): Register {
  return async (server, context) => {
    try {
      await register(server, context);
    } catch (error) {
      throw invalidModule(file, `its register failed: ${messageOf(error)}`, error);
    }
  };
}

async function importModule(file: string): Promise<Record<string, unknown>> {
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw invalidModule(file, `it cannot be loaded: ${messageOf(error)}`, error);
  }
}

/** The tools in one export: itself, or the items of a list. */
function specsIn(key: string, value: unknown, file: string): ToolSpec<never>[] {
  if (Array.isArray(value)) return value.flatMap((item) => specsIn(key, item, file));
  if (!value || typeof value !== "object" || !("name" in value) || !("run" in value || "create" in value))
    return [];
  const spec = value as ToolSpec<never>;
  if (typeof spec.name !== "string" || typeof spec.description !== "string")
    throw invalidModule(file, `the export "${key}" needs a name and a description`);
  if (typeof (spec.run ?? spec.create) !== "function")
    throw invalidModule(file, `the tool "${spec.name}" needs a function run, or create`);
  for (const side of ["input", "output"] as const) {
    const problem = schemaProblemOf(spec[`${side}Schema`] as Schema<unknown> | undefined, side);
    if (problem) throw invalidModule(file, `the ${side}Schema of the tool "${spec.name}" ${problem}`);
  }
  return [spec];
}

/** Checks a schema at the start: one that cannot be listed would break `tools/list` for every client. */
function schemaProblemOf(schema: Schema<unknown> | undefined, side: "input" | "output"): string | undefined {
  if (schema === undefined) return undefined;
  if (typeof schema !== "object" || schema === null) return "is no schema";
  if (!isStandard(schema) && Object.values(schema).some(isStandard))
    return "is a list of fields; wrap it in z.object({ … })";
  try {
    const { type = "object" } = toJsonSchema(schema, side);
    return type === "object" ? undefined : `must describe an object, not ${JSON.stringify(type)}`;
  } catch (error) {
    return `cannot be told as JSON Schema: ${messageOf(error)}`;
  }
}

function invalidModule(file: string, problem: string, cause?: unknown): NightshiftError {
  return new NightshiftError("TOOL_MODULE_INVALID", `${basename(file)}: ${problem}.`, { file }, { cause });
}
