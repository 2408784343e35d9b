import { z } from "zod";
import { NO_PROVISION, type Provision } from "../provision.ts";

/** What a job file may say of its provision: the words of schedule_task. Facts are pinned by tools only. */
export const provisionFields = {
  max_tokens_per_job: z.number().int().min(1).max(1e12).optional(),
};

const fieldsSchema = z.strictObject(provisionFields);

export function readProvision({ max_tokens_per_job }: z.output<typeof fieldsSchema>): Provision {
  return { ...NO_PROVISION, maxTokensPerJob: max_tokens_per_job ?? null };
}
