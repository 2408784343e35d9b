import { z } from "zod";
import { NightshiftError } from "../errors.ts";
import { DAY_SECONDS } from "./duration.ts";
import {
  booleanForm,
  checkForm,
  choiceForm,
  type Field,
  field,
  hideNone,
  maxRunsForm,
  numberForm,
  orNone,
  pinnedFactsForm,
  plainForm,
  retryForm,
  spanEndForm,
  toolName,
} from "./field-forms.ts";
import {
  CATCHUPS,
  DEFAULT_LIMITS,
  DEFAULT_POLICY,
  INTERRUPT_CHOICES,
  type Job,
  type Limits,
  NO_PROVISION,
  OVERLAPS,
  type Policy,
  type Provision,
} from "./job.ts";
import { BRIEF, UNLISTED } from "./listing.ts";

/*
 * One row for each field of a job. The arguments of schedule_task and update_job, the fields of a job file, the stored
 * form and what get_job shows are derived from these rows. To add a field, give it a place and a default in Limits,
 * Policy or Provision (job.ts), and a row here.
 */

type Fields = Readonly<Record<string, Field>>;

const OWN_FIELDS = {
  name: field("name", orNone(plainForm(z.string().trim().min(1).max(200))), "what to call the job"),
  allowed_tools: field(
    "tools",
    orNone(plainForm(z.array(toolName).max(100))),
    "of its ghost, also server__*; default: harmless ones",
  ),
} satisfies Fields;

const LIMIT_FIELDS = {
  use_react_loop: field(
    "useReactLoop",
    booleanForm,
    `think and use tools in a loop; without it one completion and no tools (default ${DEFAULT_LIMITS.useReactLoop})`,
  ),
  max_iterations: field(
    "maxIterations",
    numberForm(1, 100),
    `model calls of one run at most (default ${DEFAULT_LIMITS.maxIterations})`,
  ),
  max_tokens: field(
    "maxTokens",
    numberForm(1, 10_000_000),
    `input and output tokens of one run at most (default ${DEFAULT_LIMITS.maxTokens})`,
  ),
  timeout_seconds: field(
    "timeoutSeconds",
    numberForm(1, DAY_SECONDS),
    `time for one run (default ${DEFAULT_LIMITS.timeoutSeconds})`,
  ),
} satisfies Fields;

const POLICY_FIELDS = {
  overlap: field("overlap", choiceForm(OVERLAPS), "when due while it still runs (default skip)"),
  catchup: field("catchup", choiceForm(CATCHUPS), "runs missed while nobody was there (default once)"),
  catchup_window_seconds: field(
    "catchupWindowSeconds",
    numberForm(10, 10 * 366 * DAY_SECONDS),
    "what is older is never caught up (default a year)",
  ),
  jitter_seconds: field("jitterSeconds", numberForm(0, DAY_SECONDS), "start up to so much later (default 0)"),
  /** A moment, like `execute_at`, or `now`. */
  starts_at: field("startsAt", spanEndForm("starts_at"), "nothing before; like execute_at, or `now`"),
  /** A moment, like `execute_at`, or `never`. */
  ends_at: field("endsAt", spanEndForm("ends_at"), "nothing after; like execute_at, or `never`"),
  max_runs: field("maxRuns", maxRunsForm, "scheduled runs in all, 0 = any"),
  retry: field(
    "retry",
    retryForm,
    "attempts in all (default 1) when the model is busy or away, and on what `on` names",
  ),
  pause_after_failures: field(
    "pauseAfterFailures",
    numberForm(0, 1_000),
    "failures in a row that pause it (default 5, 0 = never)",
  ),
  on_interrupt: field(
    "onInterrupt",
    orNone(choiceForm(INTERRUPT_CHOICES)),
    "when its process ends in mid-run (default resume for prompts and code with steps, else lose)",
  ),
  max_resumes: field("maxResumes", numberForm(0, 100), "times that one run goes on after that (default 5)"),
} satisfies Fields;

const PROVISION_FIELDS = {
  pinned_facts: field(
    "pinnedFacts",
    pinnedFactsForm,
    "fact_ids whose text is copied into the job now; its ghost reads no memory",
  ),
  /** Input and output tokens of all its runs together. */
  max_tokens_per_job: field(
    "maxTokensPerJob",
    orNone(numberForm(1, 1e12)),
    "input and output tokens of all its runs together at most (default null: no limit)",
  ),
  /**
   * Asked first, without a model: a tool, or a file of the jobs folder (its name begins with `_`, so that it is no job
   * itself) that exports a run function. An empty text, `{"run": false}` or false ends the run as skipped.
   */
  check: field(
    "check",
    checkForm,
    'a tool to call first, without a model: an empty text, false or {"run": false} skips the run',
  ),
  /** An answer that is just this is recorded and delivered to nobody. */
  silent_token: field(
    "silentToken",
    { ...orNone(plainForm(z.string().trim().min(1).max(100))), show: hideNone<string> },
    "an answer that is just this is recorded and delivered to nobody",
  ),
  /** Shows each run the output of the last one that succeeded. */
  previous_output: field(
    "previousOutput",
    booleanForm,
    "show each run what the last successful one came to; with after, that of the job before",
  ),
  /** Each run's end is posted here, signed; https only, unless private addresses are allowed. */
  webhook_url: field(
    "webhookUrl",
    {
      ...orNone(plainForm(z.string())),
      argument: z.string().min(1).nullable(),
      read: (url: string) => url || null,
      show: hideNone<string>,
    },
    "https URL to post each run's end to",
  ),
  may_ask: field(
    "mayAsk",
    booleanForm,
    "its ghost may ask its owner, and waits for answer_run (default false)",
  ),
  approve_tools: field(
    "approveTools",
    orNone(plainForm(z.array(toolName).min(1).max(100))),
    "tools it may call once answer_run approves of the call; server__* for all of a server",
  ),
  answer_within_seconds: field(
    "answerWithinSeconds",
    numberForm(1, 366 * DAY_SECONDS),
    "how long it waits for an answer (default a day)",
  ),
  default_answer: field(
    "defaultAnswer",
    { ...orNone(plainForm(z.string().max(2_000))), show: hideNone<string> },
    "the answer to its questions when nobody gives one in time",
  ),
} satisfies Fields;

/** An object with a pair for each row, without the pairs that have no value. */
function mapRows(table: Fields, pairOf: (name: string, row: Field) => readonly [string, unknown]): object {
  const pairs = Object.entries(table).map(([name, row]) => pairOf(name, row));
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
}

type Arguments<Table extends Fields> = {
  -readonly [Name in keyof Table]: z.ZodOptional<Table[Name]["argument"]>;
};

/** The fields as arguments of a tool. */
const argumentsOf = <Table extends Fields>(table: Table, meta: object = {}) =>
  mapRows(table, (name, { argument, describe }) => [
    name,
    argument.optional().meta({ description: describe, ...meta }),
  ]) as Arguments<Table>;

const ownArguments = argumentsOf(OWN_FIELDS);

/** The fields that few jobs need: tools take them beside the others and in `policy`, and list `policy` alone. */
export const policyArguments = {
  ...argumentsOf(POLICY_FIELDS, UNLISTED),
  ...argumentsOf(PROVISION_FIELDS, UNLISTED),
};

/** All fields as arguments of schedule_task and update_job. */
export const fieldArguments = {
  name: ownArguments.name.meta(BRIEF),
  ...argumentsOf(LIMIT_FIELDS, BRIEF),
  allowed_tools: ownArguments.allowed_tools,
  ...policyArguments,
};

const ALL_FIELDS = { ...OWN_FIELDS, ...LIMIT_FIELDS, ...POLICY_FIELDS, ...PROVISION_FIELDS };
type AllFields = typeof ALL_FIELDS;

type FileShape = {
  -readonly [Name in keyof AllFields as AllFields[Name]["file"] extends null ? never : Name]: z.ZodOptional<
    NonNullable<AllFields[Name]["file"]>
  >;
};

/** All fields that a job file may have. */
export const fileFields = mapRows(ALL_FIELDS, (name, { file }) => [name, file?.optional()]) as FileShape;

type DeepReadonly<Value> = Value extends object
  ? { readonly [Key in keyof Value]: DeepReadonly<Value[Key]> }
  : Value;

/** Their values in a code job. */
export type FileFields = {
  readonly [Name in keyof FileShape]?: DeepReadonly<
    Exclude<z.input<NonNullable<AllFields[Name]["file"]>>, Date | null>
  >;
};

type Stored<Table extends Fields> = {
  [Name in keyof Table as Table[Name]["key"]]: z.output<Table[Name]["stored"]>;
};

/** The stored form of one part of a job. A field that an older job lacks has its default. */
const storedOf = <Table extends Fields>(table: Table, defaults: object): z.ZodType<Stored<Table>> =>
  z.object(
    mapRows(table, (_name, { key, stored }) => [key, stored.default(defaults[key as keyof object])]),
  ) as never;

export const storedLimits = storedOf(LIMIT_FIELDS, DEFAULT_LIMITS);
export const storedPolicy = storedOf(POLICY_FIELDS, DEFAULT_POLICY);
export const storedProvision = storedOf(PROVISION_FIELDS, NO_PROVISION).prefault({});
export const storedTools = OWN_FIELDS.allowed_tools.stored;

/** Values of some fields, as a tool or a file gives them. */
export type GivenFields = {
  readonly [Name in keyof AllFields]?:
    | z.output<AllFields[Name]["argument"]>
    | z.output<NonNullable<AllFields[Name]["file"]>>
    | undefined;
};

/** `before` with the given fields changed. */
const readFields = <Part extends object>(
  table: Fields,
  given: GivenFields,
  before: Part,
  timezone: string,
): Part => ({
  ...before,
  ...mapRows(table, (name, row) => {
    const value: unknown = given[name as keyof GivenFields];
    const old: unknown = before[row.key as keyof Part];
    if (value === undefined) return [row.key, old];
    return [row.key, value === null ? null : row.read(value, old, timezone)];
  }),
});

/** The name of a job, and the tools that its ghost may use. */
export const nameAndToolsOf = (
  given: GivenFields,
  { name, tools }: Pick<Job, "name" | "tools"> = { name: null, tools: null },
) => readFields(OWN_FIELDS, given, { name, tools }, "UTC");

export const limitsOf = (given: GivenFields, before: Limits = DEFAULT_LIMITS): Limits =>
  readFields(LIMIT_FIELDS, given, before, "UTC");

/** Keeps the pinned facts of `before`: `withPinnedFacts` adds the copies. */
export const provisionOf = (given: GivenFields, before: Provision = NO_PROVISION): Provision =>
  readFields(PROVISION_FIELDS, given, before, "UTC");

/** Throws INVALID_SCHEDULE for a time that can't be read or an empty span. */
export function policyOf(given: GivenFields, timezone: string, before: Policy = DEFAULT_POLICY): Policy {
  const policy = readFields(POLICY_FIELDS, given, before, timezone);
  if (policy.startsAt !== null && policy.endsAt !== null && policy.endsAt < policy.startsAt)
    throw new NightshiftError("INVALID_SCHEDULE", "ends_at is before starts_at, so nothing would ever run.");
  return policy;
}

type Shown<Table extends Fields> = { readonly [Name in keyof Table]: ReturnType<Table[Name]["show"]> };

const showPart = <Table extends Fields>(table: Table, part: object, timezone: string) =>
  mapRows(table, (name, row) => [name, row.show(part[row.key as keyof object], timezone)]) as Shown<Table>;

/** All fields with their effective values. */
export const showFields = (job: Job) => ({
  ...showPart(OWN_FIELDS, job, job.timezone),
  ...showPart(LIMIT_FIELDS, job.limits, job.timezone),
  ...showPart(POLICY_FIELDS, job.policy, job.timezone),
  ...showPart(PROVISION_FIELDS, job.provision, job.timezone),
});
