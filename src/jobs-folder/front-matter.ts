import { isMap, isScalar, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { NightshiftError } from "../errors.ts";
import type { FolderJob } from "../jobs/contracts.ts";
import { cronWarning } from "../jobs/cron-text.ts";
import { readSeconds } from "../jobs/duration.ts";
import { fileMoment } from "../jobs/field-forms.ts";
import { fileFields, limitsOf, nameAndToolsOf, policyOf, provisionOf } from "../jobs/fields.ts";
import type { Policy, Schedule } from "../jobs/job.ts";
import { anchored, nextTime, parseSchedule } from "../jobs/schedule.ts";
import { urlProblem } from "../webhooks/url.ts";

/** One problem of one file. `line` counts from 1; absent when the problem is of no line. */
export interface FileProblem {
  readonly file: string;
  readonly line?: number;
  readonly message: string;
}

const durationText = z
  .union([
    z.number().int().min(1),
    z
      .string()
      .max(64)
      .refine(
        (text) => readSeconds(text) !== undefined,
        "use seconds, or a duration such as 90s, 15m, 2h or 1d",
      )
      .refine((text) => readSeconds(text) !== 0, "use at least one second, such as 90s, 15m, 2h or 1d"),
  ])
  .transform((value) => (typeof value === "number" ? value : (readSeconds(value) ?? 0)));

/** Other names of three fields. */
const ALIASES = { every: "every_seconds", at: "execute_at", tools: "allowed_tools" } as const;
const aliases = Object.keys(ALIASES) as (keyof typeof ALIASES)[];

const { name, allowed_tools, ...otherFields } = fileFields;
/** The fields of a job file: front matter and `defineJob` have the names that schedule_task has, and the aliases. */
const jobFileSchema = z.strictObject({
  name,
  cron: z.string().max(256).optional(),
  every: durationText.optional(),
  every_seconds: z.number().int().min(1).optional(),
  at: fileMoment.optional(),
  execute_at: fileMoment.optional(),
  after: z.string().min(1).max(255).optional(),
  timezone: z.string().max(64).optional(),
  tools: allowed_tools,
  allowed_tools,
  ...otherFields,
});
type JobFile = z.output<typeof jobFileSchema>;

/** A problem with a field of a file; `path` leads to it and finds its line. */
export class FieldError extends Error {
  readonly path: readonly string[];
  constructor(message: string, ...path: readonly string[]) {
    super(message);
    this.path = path;
  }
}

/** Checks the fields of a file and makes a job of them. Throws FieldError. */
export function toJob(raw: unknown, action: FolderJob["job"]["action"], now: number): FolderJob["job"] {
  const fields = readFileFields(raw);
  const timing = readTiming(fields);
  return {
    ...nameAndToolsOf({ ...fields, allowed_tools: fields.allowed_tools ?? fields.tools }),
    action,
    ...timing,
    limits: limitsOf(fields),
    provision: provisionOf(fields),
    nextRunAt: nextTime(timing, now),
  };
}

/** The first problem of a file's fields, with the names that there are where one is unknown. */
function explainIssue(found: z.core.$ZodIssue | undefined): FieldError {
  const { issue, path } = narrow(found);
  if (issue?.code !== "unrecognized_keys") {
    const label = path.length > 0 ? path.join(".") : "its fields";
    return new FieldError(`${label}: ${issue?.message}`, ...path);
  }
  const [unknown = ""] = issue.keys;
  const known = namesAt(path);
  const close = known.find((name) => isLike(name, unknown));
  const hint = close ? `; did you mean ${close}?` : "";
  const within = path.length > 0 ? ` in ${path.join(".")}` : "";
  const message = `there is no field "${unknown}"${within}${hint}; there are ${known.join(", ")}`;
  return new FieldError(message, ...path, unknown);
}

/** Of a field that may have several forms, the problem with its last, which is the one with names. */
function narrow(found: z.core.$ZodIssue | undefined, above: readonly string[] = []) {
  const path = [...above, ...(found?.path ?? []).map(String)];
  if (found?.code !== "invalid_union") return { issue: found, path };
  const last = found.errors.at(-1) ?? [];
  return narrow(last.find(({ code }) => code === "unrecognized_keys") ?? last[0], path);
}

/** The names of the fields within a field; those of the file where `path` is empty. */
function namesAt(path: readonly string[]): string[] {
  let at: unknown = jobFileSchema;
  for (const key of path) at = plainSchema((at as z.ZodObject).shape?.[key]);
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

/** The schema without what makes it optional; of several forms, the last. */
function plainSchema(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return plainSchema(schema.unwrap());
  return schema instanceof z.ZodUnion ? plainSchema(schema.options.at(-1)) : schema;
}

/** True for the same name in another spelling, and for one that goes on as the other ends. */
function isLike(name: string, typed: string): boolean {
  const [a, b] = [name, typed].map((text) => text.toLowerCase().replaceAll(/[_-]/g, "")) as [string, string];
  return a === b || (Math.min(a.length, b.length) > 3 && (a.startsWith(b) || b.startsWith(a)));
}

function readFileFields(raw: unknown): JobFile {
  const parsed = jobFileSchema.safeParse(raw ?? {});
  if (!parsed.success) throw explainIssue(parsed.error.issues[0]);
  const fields = parsed.data;
  for (const alias of aliases)
    if (fields[alias] !== undefined && fields[ALIASES[alias]] !== undefined)
      throw new FieldError(`${alias} is another name of ${ALIASES[alias]}; give one of the two`, alias);
  // Only the process that sends knows whether private addresses are allowed, and a file may be checked anywhere.
  const problem = fields.webhook_url && urlProblem(fields.webhook_url, { allowPrivate: true });
  if (problem) throw new FieldError(`webhook_url: ${problem}`, "webhook_url");
  return fields;
}

function readTiming(fields: JobFile): { schedule: Schedule; timezone: string; policy: Policy } {
  const { cron, after } = fields;
  try {
    const input = {
      execute_at: fields.execute_at ?? fields.at,
      cron,
      every_seconds: fields.every_seconds ?? fields.every,
      after,
      timezone: fields.timezone,
    };
    // Read as if it were long ago: a file with one time stays valid when that time has passed.
    const { schedule, timezone } = parseSchedule(input, 0);
    const policy = policyOf(fields, timezone);
    return { schedule: anchored(schedule, policy), timezone, policy };
  } catch (error) {
    if (!(error instanceof NightshiftError)) throw error;
    throw toFieldError(error.message, fields);
  }
}

const TIMES = ["cron", "every", "every_seconds", "at", "execute_at", "after", "timezone"] as const;

/** Words an error of the schedule in the names that the file uses, and finds the field that it is about. */
function toFieldError(message: string, fields: JobFile): FieldError {
  const spans = (["starts_at", "ends_at"] as const).filter((key) => message.includes(key));
  const times = message.includes("is not a time zone") ? (["timezone"] as const) : TIMES;
  const field = (spans.length > 0 ? spans : times).find((key) => fields[key] !== undefined);
  const inItsNames = aliases
    .filter((alias) => fields[ALIASES[alias]] === undefined)
    .reduce((text, alias) => text.replaceAll(ALIASES[alias], alias), message);
  return new FieldError(inItsNames.replace(/\.$/, ""), ...(field ? [field] : []));
}

const FENCE = /^---[ \t]*\r?\n([\s\S]*?)^---[ \t]*(?:\r?\n|$)/m;

/** What is wrong with a file that has no front matter, if it can be told. */
function formOf(text: string): string {
  if (text.trim() === "") return "it is empty: ";
  if (/^---[ \t]*\r?\n/.test(text)) return "its front matter has no end, a line of its own with ---: ";
  if (/^\s+---[ \t]*\r?\n/.test(text))
    return "there is something before its first line ---, blank lines perhaps: ";
  return "";
}

/** YAML has a meaning of its own for the first character of many values. */
function quotingHint(line: string): string {
  const [, key, value] = /^\s*([\w-]+):\s+([*@`%&!|>{[].*|[^'"].*:\s.*)$/.exec(line.trimEnd()) ?? [];
  return key && value ? ` Put the value in quotes: ${key}: ${JSON.stringify(value)}` : "";
}

/** What the owner of a valid file should know. */
export function warningOf({ job }: FolderJob): string | undefined {
  const { schedule, nextRunAt } = job;
  if (schedule.kind === "cron") return cronWarning(schedule.cron);
  return schedule.kind === "after" || nextRunAt !== null
    ? undefined
    : "its time has passed, so it does not run; give a time in the future";
}

/** Reads a Markdown file: front matter, and the prompt below it. */
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
        message: `${formOf(text)}it must start with front matter: a line ---, then cron, every, at or after, then ---`,
      },
    };
  const lines = new LineCounter();
  const document = parseDocument(fence[1] ?? "", { lineCounter: lines });
  const broken = document.errors[0];
  if (broken) {
    const message = broken.message.split("\n")[0] ?? "it is not YAML";
    const { line } = lines.linePos(broken.pos[0]);
    const hint = quotingHint(fence[1]?.split("\n")[line - 1] ?? "");
    return { problem: { file, line: line + 1, message: message + hint } };
  }
  const prompt = text.slice(fence[0].length).trim();
  const lastLine = fence[0].trimEnd().split("\n").length;
  if (!prompt)
    return { problem: { file, line: lastLine, message: "there is no prompt below the front matter" } };
  try {
    return { job: toJob(document.toJS({ maxAliasCount: 10 }), { kind: "prompt", prompt }, now) };
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    const line = yamlLineOf(document, error.path, lines);
    return { problem: { file, line, message: error.message } };
  }
}

/** The file's line of the last key of `path` that is there. */
function yamlLineOf(
  document: ReturnType<typeof parseDocument>,
  path: readonly string[],
  lines: LineCounter,
): number {
  let line = 1;
  let at: unknown = document.contents;
  for (const key of path) {
    const pair = isMap(at)
      ? at.items.find((item) => isScalar(item.key) && item.key.value === key)
      : undefined;
    const start = isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
    if (start === undefined) break;
    // Front matter starts on the file's second line.
    line = lines.linePos(start).line + 1;
    at = pair?.value;
  }
  return line;
}
