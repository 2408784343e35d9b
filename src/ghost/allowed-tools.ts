import type { Job } from "../jobs/job.ts";
import type { ToolDefinition } from "../tools/define.ts";
import { serverOf } from "../tools/upstream.ts";

/** The parts of a tool that decide whether a ghost gets it. */
export interface ToolSelection extends Pick<Job, "tools" | "action"> {
  /** Tools that it may call when its owner approves of the call. */
  readonly approveTools: readonly string[];
}

export const selectionOf = ({ tools, action, provision }: Pick<Job, "tools" | "action" | "provision">) => ({
  tools,
  action,
  approveTools: provision.approveTools ?? [],
});
type ToolInfo = Pick<ToolDefinition<never>, "name" | "annotations">;

/**
 * The names of the tools that a ghost may use, out of those that exist for ghosts. A tool job gets its one tool. A job
 * that names tools gets those and no others. A job that names none gets harmless ones: the built-in ghost tools, and of
 * a user's own tools those with `readOnlyHint`.
 */
export function allowedTools(
  job: ToolSelection,
  builtIn: readonly ToolInfo[],
  own: readonly ToolInfo[],
): readonly string[] {
  const all = [...builtIn, ...own];
  if (job.action.kind === "tool") {
    const { tool } = job.action;
    return all.filter(({ name }) => name === tool).map(({ name }) => name);
  }
  const named = job.tools && new Set([...job.tools, ...job.approveTools]);
  if (named) return all.filter(({ name }) => named.has(name)).map(({ name }) => name);
  const harmless = own.filter(
    ({ name, annotations }) => annotations?.readOnlyHint === true || job.approveTools.includes(name),
  );
  return [...builtIn, ...harmless].map(({ name }) => name);
}

/** The tools of other MCP servers that the job names. A job that names none gets none. */
export function grantsOf({ tools, action, approveTools }: ToolSelection): readonly string[] {
  const named = action.kind === "tool" ? [action.tool] : [...(tools ?? []), ...approveTools];
  return named.filter((name) => serverOf(name) !== undefined);
}
