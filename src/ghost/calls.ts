import { toPublicError } from "../errors.ts";
import type { ToolResult } from "../tools/result.ts";
import { hashOf } from "./hash.ts";
import type { RunJournal } from "./journal.ts";
import type { CallStart, GhostRequest, ToMain } from "./protocol/messages.ts";

type BeginCall = Extract<GhostRequest, { kind: "begin_call" }>;
type StepMessage = Extract<ToMain, { type: "step" }>;

/** The calls of tools of one ghost, each of which is made once, in whichever thread of the run. */
export interface GhostCalls {
  /** Resolves when the beginning of a call that must not be made twice is stored. */
  begin(request: BeginCall): Promise<CallStart>;
  /** Records a step: the end of a call, or a note. Returns the rule of the port that it breaks, if it breaks one. */
  record(message: StepMessage): string | undefined;
}

export function openGhostCalls(journal: RunJournal): GhostCalls {
  const open = new Set<string>();
  return {
    async begin({ tool, arguments: args, isRepeatable }) {
      const key = journal.nextKey(`call ${tool.slice(0, 200)} ${hashOf(args)}`);
      const known = journal.find(key);
      if (known?.isDone) return { state: "done", result: known.value as ToolResult };
      open.add(key);
      if (known && !isRepeatable) return { state: "unknown", key };
      if (!isRepeatable) {
        journal.begin(key);
        await journal.write();
      }
      return { state: "go", key };
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
