import { NightshiftError, toPublicError } from "../errors.ts";
import { NAMED_STEP } from "../jobs/run.ts";
import type { ToolResult } from "../tools/result.ts";
import { hashOf } from "./hash.ts";
import type { RunJournal } from "./journal.ts";
import type { CallStart, GhostRequest, StepStart, ToMain } from "./protocol/messages.ts";
import type { GhostWaits } from "./waits.ts";

type BeginCall = Extract<GhostRequest, { kind: "begin_call" }>;
type StepMessage = Extract<ToMain, { type: "step" }>;

/** The calls of tools of one ghost, each of which is made once, in whichever thread of the run. */
export interface GhostCalls {
  /** Resolves when the beginning of a call that must not be made twice is stored. */
  begin(request: BeginCall): Promise<CallStart>;
  /** Rejects with INVALID_ARGUMENTS for a name that was used before in this run. */
  beginStep(name: string): Promise<StepStart>;
  /** Resolves when the value is stored. Rejects with INVALID_ARGUMENTS for one that is too large. */
  endStep(key: string, value: unknown): Promise<null>;
  /** Rejects with TOOL_DENIED for a call that needs an approval and has none. */
  assertBegun(tool: string, args: unknown): void;
  /** Records a step: the end of a call, or a note. Returns the rule of the port that it breaks, if it breaks one. */
  record(message: StepMessage): string | undefined;
}

/** Characters of the JSON of a named step's value. */
const MAX_VALUE_CHARS = 1_000_000;

export function openGhostCalls(journal: RunJournal, waits: Pick<GhostWaits, "approve">): GhostCalls {
  const open = new Set<string>();
  return {
    async begin({ tool, arguments: args, isRepeatable }) {
      const key = journal.nextKey(`call ${tool.slice(0, 200)} ${hashOf(args)}`);
      const known = journal.find(key);
      if (known?.isDone) return { state: "done", result: known.value as ToolResult };
      if (known && !isRepeatable) {
        open.add(key);
        return { state: "unknown", key };
      }
      const denial = known ? undefined : await waits.approve(tool, args);
      if (denial) {
        open.add(key);
        return { state: "refused", key, reason: denial };
      }
      open.add(key);
      if (!isRepeatable) {
        journal.begin(key);
        await journal.write();
      }
      return { state: "go", key };
    },
    async beginStep(name) {
      const key = journal.nextKey(`${NAMED_STEP}${name}`);
      if (!key.endsWith(" 1"))
        throw new NightshiftError("INVALID_ARGUMENTS", `ghost.step: "${name}" was used before in this run.`);
      const known = journal.find(key);
      if (known?.isDone) return { state: "done", value: known.value };
      if (!known) journal.begin(key);
      open.add(key);
      return { state: "go", key };
    },
    async endStep(key, value) {
      if (!open.delete(key)) throw new NightshiftError("INVALID_ARGUMENTS", "There is no such step at work.");
      if ((JSON.stringify(value)?.length ?? 0) > MAX_VALUE_CHARS)
        throw new NightshiftError(
          "INVALID_ARGUMENTS",
          `ghost.step: its value is larger than ${MAX_VALUE_CHARS} characters.`,
        );
      journal.finish(key, { value });
      await journal.write();
      return null;
    },
    assertBegun(tool, args) {
      const begun = `call ${tool.slice(0, 200)} ${hashOf(args)} `;
      if ([...open].some((key) => key.startsWith(begun))) return;
      throw new NightshiftError("TOOL_DENIED", "This run may not make that call now.");
    },
    record({ step, call, result }) {
      if (call === undefined) {
        if (step.type !== "note") return "it sent a step that it may not send";
        journal.note(step.text ?? "");
        return undefined;
      }
      if (!open.delete(call)) return "it ended a call that it had not begun";
      try {
        journal.finish(call, { value: result, shown: step });
        return undefined;
      } catch (error) {
        return toPublicError(error).message;
      }
    },
  };
}
