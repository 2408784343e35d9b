import { retry } from "../async.ts";
import { NightshiftError } from "../errors.ts";
import type { TranscriptStep, Usage } from "../jobs/run.ts";
import type { AlsoWrite, JournalEntry, JournalStore } from "../store/journal.ts";
import { hashOf } from "./hash.ts";
import type { Step } from "./protocol/messages.ts";

/*
 * A ghost that goes on in a new thread does all of its work again, and asks the same things in the same order. What it
 * asked before is answered from the journal, so that nothing is done twice. Each question has a key: what is asked, and
 * how many of the same were asked before it.
 */

/** What a run did so far, in this thread and in those before it. */
export interface RunJournal {
  readonly transcript: readonly TranscriptStep[];
  readonly usage: Usage;
  /** Ms that the run had a thread. */
  readonly workedMs: number;
  /** The key of the next question that is `asked`. */
  nextKey(asked: string): string;
  find(key: string): JournalEntry | undefined;
  some(is: (entry: JournalEntry) => boolean): boolean;
  /** The entries that are not stored yet. */
  readonly unwritten: readonly JournalEntry[];
  /** Notes that something begins whose effects must not happen twice. */
  begin(key: string): void;
  /** Notes what came of it. `shown` becomes a step of the transcript. */
  finish(key: string, answer: { readonly value?: unknown; readonly shown?: Step }): void;
  /** Adds a line to the transcript. A thread that goes on says again what an earlier one said; that adds nothing. */
  note(text: string): void;
  /** Adds a line unless there is the same one, about the same thing. True when it was added. */
  noteOnce(text: string, about?: string): boolean;
  addUsage(usage: Usage): void;
  /** Stores what was noted. Rejects with CANCELLED when another process has taken the run over. */
  write(also?: AlsoWrite): Promise<void>;
}

export interface JournalOptions {
  readonly store: JournalStore;
  /** What earlier threads of the run did. */
  readonly entries: readonly JournalEntry[];
  readonly usage: Usage;
  readonly workedMs: number;
  readonly now: () => number;
  /** Called with each failure to store something that is followed by another try. */
  readonly onFailure: (error: unknown) => void;
  /** Called with each new step of the transcript. */
  readonly onStep: (step: TranscriptStep) => void;
}

/** A busy file or a full disk often recovers; a run that another process has taken over does not come back. */
const isWorthIt = (error: unknown): boolean =>
  !(error instanceof NightshiftError && error.code === "CANCELLED");

/** Characters of all answers that are kept. */
const MAX_KEPT_CHARS = 16_000_000;
/** A code job may add notes in a loop. The last step says that there were more. */
const MAX_STEPS = 1_000;
const TOO_MANY_STEPS: Step = {
  type: "note",
  text: "later steps are not recorded: there were too many",
};

/** A transcript is read and sent in one piece. Later steps are kept without their texts. */
const MAX_TRANSCRIPT_CHARS = 1_000_000;
const NOT_KEPT = "[not kept: the transcript is too long]";

function withoutTexts({ step, type, tool, skipped, denied, is_error }: TranscriptStep): TranscriptStep {
  const told = type === "tool" ? { result: NOT_KEPT } : { text: NOT_KEPT };
  return {
    step,
    type,
    ...(tool && { tool }),
    ...told,
    ...(is_error && { is_error }),
    ...(skipped && { skipped }),
    ...(denied && { denied }),
  };
}

export function openRunJournal(options: JournalOptions): RunJournal {
  const { store, entries, now, onStep } = options;
  const startedAt = performance.now();
  const byKey = new Map(entries.map((entry) => [entry.key, entry]));
  const asked = new Map<string, number>();
  const transcript = entries.flatMap(({ shown }) => shown ?? []).sort((a, b) => a.step - b.step);
  let usage = options.usage;
  let lastStep = entries.at(-1)?.step ?? 0;
  let unwritten = new Map<number, JournalEntry>();
  let keptChars = 0;
  let shownChars = 0;
  let writing: Promise<void> = Promise.resolve();

  const nextKey = (what: string): string => {
    const count = (asked.get(what) ?? 0) + 1;
    asked.set(what, count);
    return `${what} ${count}`;
  };
  const put = (entry: JournalEntry) => {
    byKey.set(entry.key, entry);
    unwritten.set(entry.step, entry);
  };
  const show = (step: Step | undefined): TranscriptStep | null => {
    if (!step || transcript.length >= MAX_STEPS) return null;
    const isLast = transcript.length === MAX_STEPS - 1;
    const numbered = { step: transcript.length + 1, ...(isLast ? TOO_MANY_STEPS : step) };
    shownChars += JSON.stringify(step).length;
    const kept = shownChars <= MAX_TRANSCRIPT_CHARS ? numbered : withoutTexts(numbered);
    transcript.push(kept);
    onStep(numbered);
    return kept;
  };
  const finish: RunJournal["finish"] = (key, { value = null, shown }) => {
    keptChars += JSON.stringify(value)?.length ?? 0;
    if (keptChars > MAX_KEPT_CHARS)
      throw new NightshiftError(
        "BUDGET_EXCEEDED",
        `Stopped: this run got more than ${MAX_KEPT_CHARS} characters of answers, which is more than is kept of one run.`,
      );
    const step = byKey.get(key)?.step ?? ++lastStep;
    put({ step, key, isDone: true, shown: show(shown), value });
  };
  const note = (key: string, text: string): boolean => {
    if (byKey.has(key)) return false;
    finish(key, { shown: { type: "note", text } });
    return true;
  };
  const workedMs = () => options.workedMs + performance.now() - startedAt;
  const writeNow = async (also?: AlsoWrite) => {
    const batch = [...unwritten.values()];
    unwritten = new Map();
    try {
      await store.write(batch, { workedMs: workedMs(), usage }, now(), also);
    } catch (error) {
      // They go with the next write, unless they were noted anew meanwhile.
      for (const entry of batch) if (!unwritten.has(entry.step)) unwritten.set(entry.step, entry);
      throw error;
    }
  };
  return {
    transcript,
    get usage() {
      return usage;
    },
    get workedMs() {
      return workedMs();
    },
    nextKey,
    find: (key) => byKey.get(key),
    some: (is) => [...byKey.values()].some(is),
    get unwritten() {
      return [...unwritten.values()];
    },
    begin: (key) => put({ step: ++lastStep, key, isDone: false, shown: null, value: null }),
    finish,
    note: (text) => void note(nextKey(`note ${hashOf(text)}`), text),
    noteOnce: (text, about = "") => note(`note ${hashOf([text, about])}`, text),
    addUsage({ input_tokens, output_tokens }) {
      usage = {
        input_tokens: usage.input_tokens + input_tokens,
        output_tokens: usage.output_tokens + output_tokens,
      };
    },
    write(also) {
      // One after the other, so that none is stored before an earlier one.
      const retried = () => retry(() => writeNow(also), { onFailure: options.onFailure, isWorthIt });
      writing = writing.catch(() => {}).then(retried);
      return writing;
    },
  };
}
