import { z } from "zod";
import { NightshiftError } from "../../errors.ts";
import type { ToolDefinition } from "../../tools/define.ts";
import { lazySchema } from "../../tools/schema.ts";
import type { Services } from "../../tools/services.ts";
import type { OwnerAnswer } from "../protocol/messages.ts";
import type { BrokerClient } from "./port.ts";

const question = z.string().trim().min(1).max(2_000);
const options = z.array(z.string().trim().min(1).max(200)).min(1).max(10);

interface AskOwnerArguments {
  readonly question: string;
  readonly options?: readonly string[];
}

/** The tool by which a ghost asks its owner. Its thread is ended, and the run goes on when the answer is there. */
export const askOwnerTool = (client: BrokerClient): ToolDefinition<Services> => ({
  name: "ask_owner",
  title: "Ask the owner",
  description:
    "Asks the owner of this job one question, and waits for the answer, which may take a day. Use it only where you cannot decide.",
  inputSchema: lazySchema(() => z.strictObject({ question, options: options.optional() })),
  // Asking again is how a run that goes on gets its answer.
  annotations: { readOnlyHint: true },
  create: () => ({
    run: async ({ question, options }: AskOwnerArguments, { signal }) => {
      const given = { question, ...(options && { options }) };
      return describeAnswer(await client.request({ kind: "ask_owner", ...given }, signal));
    },
  }),
});

function describeAnswer({ answer, isAnswered }: OwnerAnswer): string {
  if (answer === null) return "Nobody answered in time. Decide yourself, with what you have.";
  return isAnswered
    ? `The owner answered: ${answer}`
    : `Nobody answered in time. The job's default is: ${answer}`;
}

/** `ghost.ask` with a question to the owner. Null when nobody answered and the job has no default. */
export async function askOwner(
  client: BrokerClient,
  given: unknown,
  choices: unknown,
): Promise<string | null> {
  const parsed = z.object({ question, options: options.optional() }).safeParse({
    question: given,
    options: choices ?? undefined,
  });
  if (!parsed.success)
    throw new NightshiftError(
      "INVALID_ARGUMENTS",
      "ghost.ask takes a question of up to 2,000 characters and up to ten options, each a short text.",
    );
  const { question: text, options: list } = parsed.data;
  const request = { kind: "ask_owner", question: text, ...(list && { options: list }) } as const;
  return (await client.request(request, client.signal)).answer;
}

/** Runs `work` once, in whichever thread of the run, and resolves to what it came to. */
export async function namedStep<T>(
  client: BrokerClient,
  name: string,
  work: () => T | Promise<T>,
): Promise<T> {
  const start = await client.request({ kind: "begin_step", name: String(name) }, client.signal);
  if (start.state === "done") return start.value as T;
  const value = (await work()) ?? null;
  assertJson(name, value);
  await client.request({ kind: "end_step", key: start.key, value }, client.signal);
  return value as T;
}

/** What comes back from the journal must be what the step came to. */
function assertJson(name: string, value: unknown): void {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch {
    json = undefined;
  }
  if (json !== undefined) return;
  throw new NightshiftError(
    "INVALID_ARGUMENTS",
    `ghost.step: "${name}" came to a value that JSON cannot hold.`,
  );
}

/** Waits without a thread: until a date, or for so many seconds. */
export async function sleep(client: BrokerClient, time: Date | number): Promise<void> {
  const until = typeof time === "number" ? Date.now() + time * 1_000 : time.getTime();
  if (!Number.isFinite(until) || until > Date.now() + MAX_SLEEP_MS)
    throw new NightshiftError(
      "INVALID_ARGUMENTS",
      "ghost.sleep takes a Date or seconds, at most a year ahead.",
    );
  await client.request({ kind: "sleep", until: Math.round(until) }, client.signal);
}

const MAX_SLEEP_MS = 366 * 86_400_000;
