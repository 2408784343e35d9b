import { NightshiftError } from "../errors.ts";
import type { Job } from "../jobs/job.ts";
import type { WaitingFor } from "../jobs/run.ts";
import type { WaitResult } from "../store/wait-run.ts";
import { isGranted } from "../tools/upstream.ts";
import { hashOf } from "./hash.ts";
import type { RunJournal } from "./journal.ts";
import type { OwnerAnswer } from "./protocol/messages.ts";

export interface WaitOptions {
  readonly provision: Pick<Job["provision"], "mayAsk" | "approveTools" | "answerWithinSeconds">;
  readonly journal: RunJournal;
  readonly now: () => number;
  /** False when too many runs of the owner or of the job wait. */
  readonly mayWait: () => Promise<boolean>;
  /** True when the owner approved of the call for all runs of the job. */
  readonly isApproved: (tool: string, argumentsHash: string) => Promise<boolean>;
  /** Called when the run begins to wait: its thread is to be ended. */
  readonly onWait: (waitingFor: WaitingFor) => void;
}

/**
 * What a ghost waits for. Where it has to, the run begins to wait and the promise never resolves, because the thread is
 * ended. The thread that goes on later asks again, and gets what came of it.
 */
export interface GhostWaits {
  /** Rejects with TOOL_DENIED for a job that may not ask. */
  askOwner(question: {
    readonly question: string;
    readonly options?: readonly string[];
  }): Promise<OwnerAnswer>;
  /** Resolves when a call of a tool may be made, or to the reason why it may not. */
  approve(tool: string, args: unknown): Promise<string | undefined>;
  /** Rejects with INVALID_ARGUMENTS when too many runs wait. */
  sleep(until: number): Promise<void>;
}

export function openGhostWaits(options: WaitOptions): GhostWaits {
  const { provision, journal, now } = options;
  /** Undefined where it must go on without an answer. */
  const waitFor = async (
    asked: string,
    wait: Omit<WaitingFor, "key" | "askedAt" | "until">,
    untilOf: (askedAt: number) => number,
  ): Promise<WaitResult | undefined> => {
    const key = journal.nextKey(asked);
    const known = journal.find(key);
    if (known?.isDone) return known.value as WaitResult;
    if (!(await options.mayWait())) return undefined;
    if (!known) journal.begin(key);
    const askedAt = now();
    options.onWait({ ...wait, key, askedAt, until: untilOf(askedAt) });
    return new Promise(() => {});
  };
  const answerBy = (askedAt: number) => askedAt + provision.answerWithinSeconds * 1_000;
  const isRemembered = (asked: string): boolean =>
    journal.some(({ key, value }) => {
      const reply = value as WaitResult | null;
      return key.startsWith(`${asked} `) && reply?.approve === true && reply.remember === "this_run";
    });
  return {
    async askOwner({ question, options: choices }) {
      if (!provision.mayAsk)
        throw new NightshiftError("TOOL_DENIED", "This job may not ask its owner: it has no may_ask.");
      const asked = `question ${hashOf([question, choices])}`;
      const wait = { kind: "question", question, ...(choices && { options: choices }) } as const;
      const settled = await waitFor(asked, wait, answerBy);
      return { answer: settled?.answer ?? null, isAnswered: settled?.isAnswered ?? false };
    },
    async approve(tool, args) {
      const { approveTools } = provision;
      if (!approveTools?.includes(tool) && !isGranted(tool, approveTools ?? [])) return undefined;
      const argumentsHash = hashOf(args);
      const asked = `approval ${tool} ${argumentsHash}`;
      if (isRemembered(asked) || (await options.isApproved(tool, argumentsHash))) return undefined;
      const wait = { kind: "approval", tool, arguments: args, argumentsHash } as const;
      const settled = await waitFor(asked, wait, answerBy);
      if (settled?.approve) return undefined;
      if (!settled) return "Too many runs wait for their owner, who cannot be asked for an approval now.";
      const why = settled.note ? `: ${settled.note}` : ".";
      return settled.isAnswered
        ? `The owner denied this call${why}`
        : "Nobody approved of this call in time.";
    },
    async sleep(until) {
      const settled = await waitFor("sleep", { kind: "sleep" }, () => until);
      if (!settled)
        throw new NightshiftError(
          "INVALID_ARGUMENTS",
          "Too many runs of yours wait already; this one cannot sleep.",
        );
    },
  };
}
