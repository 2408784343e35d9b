import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { NightshiftError } from "../errors.ts";
import type { FolderJob } from "../jobs/contracts.ts";
import { policyFields, policyOf } from "../jobs/fields.ts";
import {
  type Check,
  DEFAULT_LIMITS,
  NO_PROVISION,
  type Policy,
  type Provision,
  type Schedule,
} from "../jobs/job.ts";
import { anchored, nextTime, parseSchedule } from "../jobs/schedule.ts";
import { urlProblem } from "../webhooks/url.ts";

/** One thing that is wrong with one file. `line` is 1-based; absent when no line is to blame. */
export interface FileProblem {
  readonly file: string;
  readonly line?: number;
  readonly message: string;
}

const UNIT_SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

const every = z
  .union([
    z.number().int().min(1),
    z.string().regex(/^\d+(?:\.\d+)?\s*[smhd]$/, "use seconds, or a duration such as 90s, 15m, 2h or 1d"),
  ])
  .transform((value) => {
    if (typeof value === "number") return value;
    return Math.max(
      1,
      Math.round(Number.parseFloat(value) * UNIT_SECONDS[value.at(-1) as keyof typeof UNIT_SECONDS]),
    );
  });

/** YAML reads some of what looks like a date as one. */
const moment = z.union([z.string().max(64), z.date().transform((date) => date.toISOString())]);

/** What a job file may say of its provision: the words of schedule_task. Facts are pinned by tools only. */
export const provisionFields = {
  max_tokens_per_job: z.number().int().min(1).max(1e12).optional(),
  check: z
    .union([
      z.string().min(1).max(128),
      z.strictObject({
        name: z.string().min(1).max(128),
        arguments: z.record(z.string(), z.unknown()).default({}),
      }),
    ])
    .optional(),
  silent_token: z.string().trim().min(1).max(100).optional(),
  previous_output: z.boolean().optional(),
  // Whether it may be a private address is known to the process that sends: a file may be checked anywhere.
  webhook_url: z
    .string()
    .superRefine((url, check) => {
      const message = url === "" ? undefined : urlProblem(url, { allowPrivate: true });
      if (message) check.addIssue({ code: "custom", message });
    })
    .optional(),
};

/** The fields of a job file: front matter and `defineJob` use the same ones. */
export const jobFields = z.strictObject({
  name: z.string().trim().min(1).max(200).optional(),
  cron: z.string().max(256).optional(),
  every: every.optional(),
  at: moment.optional(),
  after: z.string().min(1).max(255).optional(),
  timezone: z.string().max(64).optional(),
  tools: z.array(z.string().min(1).max(128)).max(100).optional(),
  use_react_loop: z.boolean().optional(),
  max_iterations: z.number().int().min(1).max(100).optional(),
  max_tokens: z.number().int().min(1).max(10_000_000).optional(),
  timeout_seconds: z.number().int().min(1).max(86_400).optional(),
  ...policyFields,
  starts_at: moment.nullable().optional(),
  ends_at: moment.nullable().optional(),
  ...provisionFields,
});
export type ReadFields = z.output<typeof jobFields>;

/** Which of a file's fields an error is about, so that the person is shown its line. */
export class FieldError extends Error {
  readonly field: string | undefined;
  constructor(message: string, field?: string) {
    super(message);
    this.field = field;
  }
}

/** Checks what a file says and turns it into a job. Throws FieldError. */
export function toJob(raw: unknown, action: FolderJob["job"]["action"], now: number): FolderJob["job"] {
  const parsed = jobFields.safeParse(raw ?? {});
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
    const field = unknown ?? issue?.path[0]?.toString();
    const known = Object.keys(jobFields.shape).join(", ");
    throw new FieldError(
      unknown
        ? `there is no field "${unknown}"; there are ${known}`
        : `${field ?? "its fields"}: ${issue?.message}`,
      field,
    );
  }
  const fields = parsed.data;
  const { schedule, timezone, policy } = readSchedule(fields);
  return {
    name: fields.name ?? null,
    action,
    schedule,
    timezone,
    limits: {
      useReactLoop: fields.use_react_loop ?? DEFAULT_LIMITS.useReactLoop,
      maxIterations: fields.max_iterations ?? DEFAULT_LIMITS.maxIterations,
      maxTokens: fields.max_tokens ?? DEFAULT_LIMITS.maxTokens,
      timeoutSeconds: fields.timeout_seconds ?? DEFAULT_LIMITS.timeoutSeconds,
    },
    policy,
    tools: fields.tools ?? null,
    provision: readProvision(fields),
    nextRunAt: nextTime({ schedule, timezone, policy }, now),
  };
}

function readSchedule(fields: ReadFields): { schedule: Schedule; timezone: string; policy: Policy } {
  try {
    const input = {
      execute_at: fields.at,
      cron: fields.cron,
      every_seconds: fields.every,
      after: fields.after,
      timezone: fields.timezone,
    };
    // Read as of long ago: a one-shot file stays valid when its time has passed.
    const { schedule, timezone } = parseSchedule(input, 0);
    const policy = policyOf(fields, timezone);
    return { schedule: anchored(schedule, policy), timezone, policy };
  } catch (error) {
    if (!(error instanceof NightshiftError)) throw error;
    const isZone = error.message.includes("is not a time zone");
    const spans = (["starts_at", "ends_at"] as const).filter((key) => error.message.includes(key));
    const times = ["cron", "every", "at", "after", "timezone"] as const;
    const keys = isZone ? (["timezone"] as const) : spans.length > 0 ? spans : times;
    const field = keys.find((key) => fields[key] !== undefined);
    const said = error.message.replaceAll("execute_at", "at").replaceAll("every_seconds", "every");
    throw new FieldError(said.replace(/\.$/, ""), field);
  }
}

const FENCE = /^---[ \t]*\r?\n([\s\S]*?)^---[ \t]*(?:\r?\n|$)/m;

/** Splits a Markdown file into its front matter and the prompt below it; tells the line of what is wrong. */
export function readMarkdown(
  file: string,
  text: string,
  now: number,
): { job: FolderJob["job"] } | { problem: FileProblem } {
  const fence = FENCE.exec(text);
  if (fence?.index !== 0)
    return {
      problem: {
        file,
        line: 1,
        message: "it must start with front matter: a line ---, then cron, every, at or after, then ---",
      },
    };
  const lines = new LineCounter();
  const document = parseDocument(fence[1] ?? "", { lineCounter: lines });
  const broken = document.errors[0];
  if (broken) {
    const message = broken.message.split("\n")[0] ?? "it is not YAML";
    return { problem: { file, line: lines.linePos(broken.pos[0]).line + 1, message } };
  }
  const prompt = text.slice(fence[0].length).trim();
  const lastLine = fence[0].trimEnd().split("\n").length;
  if (!prompt)
    return { problem: { file, line: lastLine, message: "there is no prompt below the front matter" } };
  try {
    return { job: toJob(document.toJS({ maxAliasCount: 10 }), { kind: "prompt", prompt }, now) };
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    const line = error.field === undefined ? 1 : lineOf(document, error.field, lines);
    return { problem: { file, line, message: error.message } };
  }
}

function lineOf(document: ReturnType<typeof parseDocument>, field: string, lines: LineCounter): number {
  const items =
    (document.contents as { items?: { key?: { value?: unknown; range?: number[] } }[] } | null)?.items ?? [];
  const start = items.find(({ key }) => key?.value === field)?.key?.range?.[0];
  // Front matter starts on the file's second line.
  return start === undefined ? 1 : lines.linePos(start).line + 1;
}

const fieldsSchema = z.strictObject(provisionFields);

type Fields = z.output<typeof fieldsSchema>;

export function readProvision(fields: Fields): Provision {
  return {
    ...NO_PROVISION,
    maxTokensPerJob: fields.max_tokens_per_job ?? null,
    check: readCheck(fields.check),
    silentToken: fields.silent_token ?? null,
    previousOutput: fields.previous_output ?? false,
    webhookUrl: fields.webhook_url || null,
  };
}

/** A name that ends like a file of code is one, in the same folder; any other is a tool's. */
function readCheck(check: Fields["check"]): Check | null {
  if (check === undefined) return null;
  if (typeof check !== "string") return { kind: "tool", tool: check.name, arguments: check.arguments };
  return /\.[cm]?[jt]s$/.test(check)
    ? { kind: "code", file: check }
    : { kind: "tool", tool: check, arguments: {} };
}
