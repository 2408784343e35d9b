import type { ErrorCode } from "../../errors.ts";
import type { RunPage } from "../../jobs/contracts.ts";
import { cutText } from "../../jobs/cut-text.ts";
import type { Action, Check } from "../../jobs/job.ts";
import type { EndReason, EndStatus, Run, RunStatus, TranscriptStep } from "../../jobs/run.ts";
import type { ModelAnswer, ModelRequest } from "../../model/model.ts";
import type { ToolResult } from "../../tools/result.ts";
import type { UpstreamAnswer, UpstreamListing } from "../../tools/upstream.ts";

/*
 * The messages between a ghost's thread and the main side: requests and responses with ids, as in JSON-RPC. Each is sent
 * as JSON text, so that no live object (a port, shared memory, a cyclic object) can come with it, and its size is known
 * before it is parsed. Each side parses what it receives. `parse-main.ts` trusts nothing, because the thread runs code of
 * users. `parse-thread.ts` is small, because every thread loads it.
 */

/** Characters of one message. A conversation with many long tool results fits; a flood does not. */
export const MAX_PORT_MESSAGE_CHARS = 4_000_000;
export const MAX_RUN_OUTPUT_CHARS = 200_000;
export const MAX_STEP_TEXT_CHARS = 20_000;
export const MAX_ERROR_CHARS = 4_000;
/** Characters of the previous run's output that a run gets. */
export const MAX_PREVIOUS_CHARS = 16_000;

export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** The requests of a thread. The response depends on the port that they come through. */
export type GhostRequest =
  | { readonly kind: "model"; readonly input: ModelRequest }
  /** Asked before each call of a tool. `isRepeatable`: a second call does no harm. */
  | {
      readonly kind: "begin_call";
      readonly tool: string;
      readonly arguments: unknown;
      readonly isRepeatable: boolean;
    }
  | { readonly kind: "ask_owner"; readonly question: string; readonly options?: readonly string[] }
  /** Epoch ms. */
  | { readonly kind: "sleep"; readonly until: number }
  /** A named step of a code job. */
  | { readonly kind: "begin_step"; readonly name: string }
  | { readonly kind: "end_step"; readonly key: string; readonly value: unknown }
  | { readonly kind: "get_run"; readonly runId: string }
  | {
      readonly kind: "list_runs";
      readonly options: { jobId?: string; status?: RunStatus; limit?: number; cursor?: string };
    }
  | { readonly kind: "upstream_tools" }
  | {
      readonly kind: "upstream_call";
      readonly tool: string;
      readonly arguments: Readonly<Record<string, unknown>>;
    };

/**
 * What is to be done about a call. `done`: an earlier thread of this run made it. `unknown`: one began it, and may have
 * made it. `refused`: the owner did not approve of it.
 */
export type CallStart =
  | { readonly state: "go" | "unknown"; readonly key: string }
  | { readonly state: "refused"; readonly key: string; readonly reason: string }
  | { readonly state: "done"; readonly result: ToolResult };

/** Null: nobody answered in time, and the job has no default. */
export interface OwnerAnswer {
  readonly answer: string | null;
  /** False for the job's default. */
  readonly isAnswered: boolean;
}

export type StepStart =
  | { readonly state: "go"; readonly key: string }
  | { readonly state: "done"; readonly value: unknown };

/** The response to each kind of request. */
export interface GhostResponses {
  readonly model: ModelAnswer;
  readonly begin_call: CallStart;
  readonly ask_owner: OwnerAnswer;
  readonly sleep: null;
  readonly begin_step: StepStart;
  readonly end_step: null;
  readonly get_run: Run;
  readonly list_runs: RunPage;
  readonly upstream_tools: UpstreamListing;
  readonly upstream_call: UpstreamAnswer;
}

/** All that a thread is told at its start. It has no key, nothing of another user, and no path but those of its code. */
export interface Start {
  readonly type: "start";
  readonly user: { readonly userId: string; readonly userKey: string };
  readonly correlationId: string;
  readonly threadId: string;
  readonly job: {
    readonly jobId: string;
    readonly name: string | null;
    readonly timezone: string;
    readonly tools: readonly string[] | null;
    readonly useReactLoop: boolean;
    readonly maxIterations: number;
    readonly mayAsk: boolean;
    readonly approveTools: readonly string[];
    /** True when it was granted tools of other MCP servers. The main side knows which. */
    readonly usesUpstreams: boolean;
    /** Facts that the owner copied from their memory into the job. */
    readonly pinnedFacts: readonly string[];
    readonly silentToken: string | null;
  };
  /** The `file` of a code job is an absolute path here, inside the jobs folder. */
  readonly action: Action;
  /** Runs before the action; it says whether there is anything to do. Its `file` is an absolute path too. */
  readonly check: Check | null;
  /** Times are epoch ms. */
  readonly run: {
    readonly runId: string;
    readonly prompt: string;
    readonly parentSessionId: string | null;
    readonly scheduledFor: number;
    readonly startedAt: number;
    readonly coalesced: number;
    /** How often it went on in a new thread. */
    readonly resumed: number;
    /** The output of the previous run that succeeded, where the job asks for it. */
    readonly previousOutput: string | null;
  };
  /** Modules with a user's own tools, as `--tools` names them. */
  readonly toolModules: readonly string[];
}

export type ToThread =
  | Start
  | { readonly type: "response"; readonly id: number; readonly value: unknown }
  | { readonly type: "error"; readonly id: number; readonly error: WireError }
  | { readonly type: "cancel"; readonly error: WireError };

/** A step without its number, which the main side adds. */
export type Step = Omit<TranscriptStep, "step">;

/** The outcome that a thread reports. Only the main side can end a run as timed out or cancelled. */
export interface ThreadOutcome {
  readonly type: "outcome";
  readonly status: Extract<EndStatus, "succeeded" | "failed" | "skipped">;
  readonly output: string | null;
  readonly error: WireError | null;
  /** Why it was skipped, as a sentence. */
  readonly reason?: string;
  readonly endReason?: EndReason;
}

export type ToMain =
  | { readonly type: "ready" }
  | { readonly type: "request"; readonly id: number; readonly request: GhostRequest }
  | { readonly type: "cancel"; readonly id: number }
  /** `call`: the key of the call that it is the end of, whose result comes with it. */
  | { readonly type: "step"; readonly step: Step; readonly call?: string; readonly result?: unknown }
  | { readonly type: "failure"; readonly tool: string; readonly error: string }
  | ThreadOutcome;

/** Throws when the message cannot be JSON. */
export const encode = (message: ToThread | ToMain): string => JSON.stringify(message);

/** An error as it is sent: its code and message, without its cause. */
export const toWire = ({ code, message }: WireError): WireError => ({
  code,
  message: shorten(message, MAX_ERROR_CHARS),
});

/** The beginning of a long text, with a note of its full length. */
export function shorten(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const note = `… [cut: ${text.length} characters in all]`;
  return cutText(text, Math.max(0, maxChars - note.length)) + note;
}
