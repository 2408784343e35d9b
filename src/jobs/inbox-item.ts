import type { EndReason, EndStatus } from "./run.ts";

/** `warning`: its job fails again and again. `paused`: so often that it was paused. `question`: a run waits for an answer. */
export const ITEM_KINDS = ["result", "warning", "paused", "question"] as const;
export type ItemKind = (typeof ITEM_KINDS)[number];

/** The one resource of a user's inbox. */
export const INBOX_URI = "inbox://";

/** The result of a run, or a notice about its job. Times are epoch ms. */
export interface InboxItem {
  readonly itemId: string;
  readonly kind: ItemKind;
  readonly jobId: string;
  readonly jobName: string | null;
  /** Null when the run is no longer kept; `output` and `failure` are then null too. */
  readonly runId: string | null;
  readonly status: EndStatus | "waiting";
  /** A sentence about the job, such as why it was paused, or what a run asks. */
  readonly note: string | null;
  /** The start of the run's output, at most MAX_ITEM_CHARS. */
  readonly output: string | null;
  /** Why the run did not succeed, at most MAX_ITEM_CHARS. */
  readonly failure: string | null;
  /** Why the run's answer may be incomplete; absent when it is complete. */
  readonly endReason?: EndReason;
  readonly createdAt: number;
  readonly readAt: number | null;
}

/** Characters of one item's output: a page of items is read at once, and get_run has the rest. */
export const MAX_ITEM_CHARS = 2_000;

export interface InboxPage {
  readonly items: readonly InboxItem[];
  readonly nextCursor?: string;
}

/** One user's inbox; no method takes a user. */
export interface Inbox {
  /** Newest first. An unknown `jobId` is an empty list. Rejects with CURSOR_INVALID. */
  list(options?: {
    unreadOnly?: boolean;
    jobId?: string;
    limit?: number;
    cursor?: string;
  }): Promise<InboxPage>;
  /** How many items are unread. */
  unread(): Promise<number>;
  /** Resolves to how many of them were unread. Ignores items that are absent or somebody else's. */
  markRead(itemIds: readonly string[]): Promise<number>;
  /** Marks the result of one run. A warning or a pause stays unread: it is about more than this run. */
  markRunRead(runId: string): Promise<number>;
}

/** How long items are kept, and how many of one user. */
export interface Retention {
  readonly days: number;
  readonly items: number;
}

export const DEFAULT_RETENTION: Retention = Object.freeze({ days: 30, items: 1_000 });
