import { ProtocolError, ProtocolErrorCode, type ServerContext } from "@modelcontextprotocol/server";
import { NightshiftError } from "../errors.ts";
import {
  type Completer,
  type CompletionScope,
  jobIds,
  NOTHING,
  runIds,
  toCompletion,
} from "./completions.ts";
import type { Handler, ModuleHandlers, ServerParts, SetHandler } from "./handlers.ts";
import { PROMPTS, type Prompt, readGiven } from "./prompts.ts";
import { RESOURCE_TEMPLATES } from "./resources.ts";

type Request = Parameters<Handler>[0];

export function setPromptHandlers(
  set: SetHandler,
  { services, toolkit }: ServerParts,
  moduleHandlers: ModuleHandlers,
): void {
  const { scopes } = toolkit.context;
  const completionScope: CompletionScope = { services, scopes };
  const offered = (name: unknown) =>
    PROMPTS.find(({ metadata, scope }) => metadata.name === name && scopes.includes(scope));

  set("prompts/list", async (request, context) => {
    const more = (await moduleHandlers.get("prompts/list")?.(request, context)) as
      | { prompts: { name: string }[] }
      | undefined;
    const others = (more?.prompts ?? []).filter(({ name }) => !offered(name));
    const ours = PROMPTS.filter(({ scope }) => scopes.includes(scope)).map(({ metadata }) => metadata);
    return { prompts: [...ours, ...others] };
  });
  set("prompts/get", async (request, context) => {
    const prompt = offered(request.params?.name);
    if (!prompt)
      return delegate("prompts/get", request, context, `Prompt ${clip(request.params?.name)} not found`);
    return {
      description: prompt.metadata.description,
      messages: await write(prompt, request, completionScope),
    };
  });
  set("completion/complete", async (request, context) => {
    const { ref, argument } = request.params as unknown as CompleteParams;
    const prompt = ref.type === "ref/prompt" ? offered(ref.name) : undefined;
    const completers =
      prompt?.completers ?? (ref.type === "ref/resource" ? TEMPLATES.get(ref.uri) : undefined);
    if (!completers)
      return delegate("completion/complete", request, context, `${clip(ref.name ?? ref.uri)} not found`);
    const completer = Object.hasOwn(completers, argument.name) ? completers[argument.name] : undefined;
    return toCompletion((await completer?.(argument.value.slice(0, 200), completionScope)) ?? NOTHING);
  });

  const delegate = (method: string, request: Request, context: ServerContext, otherwise: string) => {
    const handler = moduleHandlers.get(method);
    if (handler) return handler(request, context);
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, otherwise);
  };
}

interface CompleteParams {
  readonly ref: { readonly type: string; readonly name?: string; readonly uri: string };
  readonly argument: { readonly name: string; readonly value: string };
}

const IDS: Readonly<Record<string, Completer>> = { job_id: jobIds, run_id: runIds };

/** Our resource templates, each with what completes its ids; none where there is too little to go by. */
const TEMPLATES: ReadonlyMap<string, Readonly<Record<string, Completer>>> = new Map(
  RESOURCE_TEMPLATES.map(({ uriTemplate }) => [uriTemplate, IDS]),
);

async function write(prompt: Prompt, request: Request, completionScope: CompletionScope) {
  try {
    return await prompt.write(readGiven(prompt, request.params?.arguments), completionScope);
  } catch (error) {
    // What was given is no time zone, or the like.
    if (error instanceof NightshiftError && error.code.startsWith("INVALID_"))
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, error.message);
    throw error;
  }
}

const clip = (name: unknown): string => String(name).slice(0, 100);
