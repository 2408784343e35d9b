import type { ErrorCode } from "../../errors.ts";
import type { RunPage } from "../../jobs/contracts.ts";
import type { Action, Check } from "../../jobs/job.ts";
import type { EndStatus, Run, RunStatus, TranscriptStep } from "../../jobs/run.ts";
import type { ModelAnswer, ModelRequest } from "../../model/model.ts";
import type { UpstreamAnswer, UpstreamListing } from "../../tools/upstream.ts";

/*
 * Everything that crosses the port between a ghost's thread and the main side. On the wire each message is JSON
 * text: nothing alive (a port, shared memory, a cyclic object) can come with it, and its size is known before it is
 * parsed. Each side parses what it gets: `to-main.ts` takes nothing on trust, because the thread runs anybody's
 * code; `to-thread.ts` is all that a thread has to load.
 */

/** Characters of one message. A conversation of many long tool results fits; a flood does not. */
export const MAX_MESSAGE_CHARS = 4_000_000;
export const MAX_OUTPUT_CHARS = 200_000;
export const MAX_STEP_TEXT_CHARS = 20_000;
export const MAX_ERROR_CHARS = 4_000;
/** Characters of an earlier output that a later run is shown. */
export const MAX_PREVIOUS_CHARS = 16_000;

export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** What a thread may ask the main side for; what it gets depends on the port it asks through. */
export type GhostRequest =
  | { readonly kind: "model"; readonly input: ModelRequest }
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

/** The kind of each question with what it is answered with. */
export interface GhostResponses {
  readonly model: ModelAnswer;
  readonly get_run: Run;
  readonly list_runs: RunPage;
  readonly upstream_tools: UpstreamListing;
  readonly upstream_call: UpstreamAnswer;
}

/** All that a ghost is told. No key, no other user, no path but those of its own code. */
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
    /** Whether it was granted tools of other MCP servers; which ones, the main side knows. */
    readonly usesUpstreams: boolean;
    /** What the owner copied into the job of their memory. */
    readonly pinnedFacts: readonly string[];
    readonly silentToken: string | null;
  };
  /** The `file` of a code job is an absolute path here: the main side has found it in the jobs folder. */
  readonly action: Action;
  /** What is asked first; the `file` is an absolute path, as that of an action. */
  readonly check: Check | null;
  /** Times are epoch ms. */
  readonly run: {
    readonly runId: string;
    readonly prompt: string;
    readonly parentSessionId: string | null;
    readonly scheduledFor: number;
    readonly startedAt: number;
    readonly coalesced: number;
    /** What the last run that succeeded came to, where the job wants to know. */
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

/** A step before it has its number, which is the main side's to give. */
export type Step = Omit<TranscriptStep, "step">;

/** What a thread says of its run. That time was over, or somebody cancelled, is not the thread's to say. */
export interface ThreadOutcome {
  readonly type: "outcome";
  readonly status: Extract<EndStatus, "succeeded" | "failed" | "skipped">;
  readonly output: string | null;
  readonly error: WireError | null;
  /** A sentence: why it was skipped. */
  readonly reason?: string;
}

export type ToMain =
  | { readonly type: "ready" }
  | { readonly type: "request"; readonly id: number; readonly request: GhostRequest }
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "step"; readonly step: Step }
  | { readonly type: "failure"; readonly tool: string; readonly error: string }
  | ThreadOutcome;

/** Throws when the message cannot be JSON. */
export const encode = (message: ToThread | ToMain): string => JSON.stringify(message);

/** An error as it travels: the code, and a sentence without its cause. */
export const toWire = ({ code, message }: WireError): WireError => ({
  code,
  message: cut(message, MAX_ERROR_CHARS),
});

/** The beginning of a long text, and how much there was of it. */
export function cut(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const mark = `… [cut: ${text.length} characters in all]`;
  return text.slice(0, Math.max(0, maxChars - mark.length)) + mark;
}
