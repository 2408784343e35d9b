import { z } from "zod";
import { ENTITY_TYPES } from "../context/entity.ts";
import type { ToolDefinition } from "./define.ts";
import { answer } from "./result.ts";
import { lazySchema } from "./schema.ts";

export const whoami: ToolDefinition = {
  name: "whoami",
  title: "Who am I",
  description: "Tells who this connection acts for, as what kind of caller, and its ids.",
  inputSchema: lazySchema(() => z.strictObject({})),
  outputSchema: lazySchema(() =>
    z.object({
      user_id: z.string(),
      entity_type: z.enum(ENTITY_TYPES),
      is_automated: z.boolean(),
      session_id: z.string(),
      thread_id: z.string(),
      run_id: z.string(),
      correlation_id: z.string(),
      registry_id: z.string(),
    }),
  ),
  annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  create: (context, _services, registryId) => ({
    run: () =>
      answer(
        {
          user_id: context.userId,
          entity_type: context.entityType,
          is_automated: context.metadata.is_automated,
          session_id: context.sessionId,
          thread_id: context.threadId,
          run_id: context.runId,
          correlation_id: context.correlationId,
          registry_id: registryId,
        },
        `You act for ${context.userId} as ${context.entityType}, in session ${context.sessionId}.`,
      ),
  }),
};
