import { NightshiftError } from "../errors.ts";
import type { ToolResult } from "../tools/define.ts";
import { textOf } from "../tools/result.ts";
import type { Start } from "./protocol/messages.ts";
import type { ToolCaller } from "./thread/tools.ts";
import { runFile, type Session } from "./thread/work.ts";

type Check = NonNullable<Start["check"]>;

/**
 * Asks the job's check whether there is anything to do, before any model is asked: why there is not, or undefined.
 * A tool says so with an empty text, `{"run": false}` or `false`, code by returning one of these. Rejects when the check
 * fails: that is not known to be nothing.
 */
export async function findSkipReason(
  check: Check,
  session: Session,
  toolCaller: ToolCaller,
): Promise<string | undefined> {
  if (check.kind === "tool") {
    const result = await toolCaller.call(check.tool, check.arguments);
    if (result.isError)
      throw new NightshiftError("TOOL_FAILED", `The check ${check.tool} failed: ${textOf(result)}`);
    return isNothingIn(result) ? `The check ${check.tool} said that there was nothing to do.` : undefined;
  }
  const said = await runFile({ ...session, ask: refuseModel }, check.file);
  return said === "" || isNo(said) ? "The check's code said that there was nothing to do." : undefined;
}

/** What a check costs is known: nothing. */
const refuseModel = async () => {
  throw new NightshiftError("TOOL_DENIED", "A check runs before any model is asked, and may not ask one.");
};

const isNo = (value: unknown): boolean =>
  value === false || (typeof value === "object" && value !== null && "run" in value && value.run === false);

function isNothingIn(result: ToolResult): boolean {
  if (isNo(result.structuredContent)) return true;
  const text = textOf(result).trim();
  if (text === "") return result.structuredContent === undefined;
  try {
    return isNo(JSON.parse(text));
  } catch {
    return false;
  }
}
