import { z } from "zod";
import { urlProblem } from "../../webhooks/url.ts";
import { type Check, NO_PROVISION, type Provision } from "../provision.ts";

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
