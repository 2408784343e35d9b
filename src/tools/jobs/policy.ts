import { z } from "zod";
import { NightshiftError } from "../../errors.ts";
import { policyArguments } from "../../jobs/fields.ts";

/** The page that explains `policy`, for those who need more than its names. */
export const POLICY_URI = "nightshift://policy";

const NAMES = Object.keys(policyArguments).join(", ");

export const POLICY_HELP = `rarely needed, see ${POLICY_URI}: ${NAMES}`;

/** The fields that few jobs need, in one object of their own. */
export const policySchema = z.strictObject(policyArguments, {
  error: ({ code, keys }) =>
    code === "unrecognized_keys"
      ? `it has no ${(keys as string[])[0]?.slice(0, 60)}; it takes ${NAMES}`
      : undefined,
});

/** Arguments that may have a `policy`. */
export interface PolicyHolder {
  readonly policy?: z.output<typeof policySchema> | undefined;
}

/** The arguments with those of `policy` beside them. Throws INVALID_ARGUMENTS for one that is given in both places. */
export function withoutPolicy<Args extends PolicyHolder>(given: Args): Omit<Args, "policy"> {
  const { policy, ...args } = given;
  const twice = Object.keys(policy ?? {}).find((name) => args[name as keyof typeof args] !== undefined);
  if (twice === undefined) return { ...args, ...policy };
  throw new NightshiftError("INVALID_ARGUMENTS", `Give ${twice} once: in policy, or beside it.`);
}

/** The text of the page at POLICY_URI. */
export const policyPage = (): string =>
  [
    "# The policy of a job",
    "",
    "schedule_task and update_job take these in `policy`, and beside their other arguments too. get_job shows what holds.",
    "In update_job null empties what may be empty.",
    "",
    ...Object.entries(policyArguments).map(([name, { description }]) => `- \`${name}\`: ${description}`),
  ].join("\n");
