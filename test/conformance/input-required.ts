import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  type InputRequests,
  inputRequired,
  inputResponse,
  type McpServer,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import type { ConnectionContext } from "../../src/tools/modules.ts";
import { say } from "./tools.ts";

const askFor = (message: string, field: string, type: "string" | "boolean" = "string") =>
  inputRequired.elicit({
    message,
    requestedSchema: { type: "object", properties: { [field]: { type } }, required: [field] } as never,
  });

const askModel = (text: string) =>
  inputRequired.createMessage({
    messages: [{ role: "user", content: { type: "text", text } }],
    maxTokens: 50,
  });

const answered = ({ mcpReq }: ServerContext, key: string, field: string): unknown =>
  acceptedContent<Record<string, unknown>>(mcpReq.inputResponses, key)?.[field];

type Handler = (context: ServerContext) => unknown;

/** Tools that ask in the 2026 era: a handler returns its questions, and runs again with the answers. */
export function registerInputRequired(server: McpServer, context: ConnectionContext): void {
  const add = (name: string, handler: Handler) =>
    server.registerTool(
      name,
      { description: "Asks before it answers", inputSchema: z.object({}) },
      (_args, call) => handler(call) as never,
    );
  addSingleRounds(add);
  addStatefulRounds(add, context);
  server.registerPrompt("test_input_required_result_prompt", { description: "Asks first" }, ((
    call: ServerContext,
  ) => {
    const about = answered(call, "user_context", "context");
    if (typeof about !== "string")
      return inputRequired({ inputRequests: { user_context: askFor("What is it about?", "context") } });
    return { messages: [{ role: "user", content: { type: "text", text: `Context: ${about}` } }] };
  }) as never);
}

type Add = (name: string, handler: Handler) => void;

function addSingleRounds(add: Add): void {
  add("test_input_required_result_elicitation", (call) => {
    const name = answered(call, "user_name", "name");
    if (typeof name === "string") return say(`Hello, ${name}!`);
    return inputRequired({ inputRequests: { user_name: askFor("What is your name?", "name") } });
  });
  add("test_input_required_result_sampling", ({ mcpReq }) => {
    const answer = inputResponse(mcpReq.inputResponses, "capital_question");
    if (answer.kind === "sampling") return say(`The model said: ${JSON.stringify(answer)}`);
    return inputRequired({ inputRequests: { capital_question: askModel("What is the capital of France?") } });
  });
  add("test_missing_capability", ({ mcpReq }) => {
    if (inputResponse(mcpReq.inputResponses, "answer").kind === "sampling") return say("It answered.");
    return inputRequired({ inputRequests: { answer: askModel("Say one word.") } });
  });
  add("test_input_required_result_list_roots", ({ mcpReq }) => {
    const answer = inputResponse(mcpReq.inputResponses, "client_roots");
    if (answer.kind === "roots") return say(`Roots: ${JSON.stringify(answer)}`);
    return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
  });
  add("test_input_required_result_capabilities", ({ mcpReq }) => {
    if (mcpReq.inputResponses !== undefined) return say("Answered.");
    const envelope = mcpReq.envelope as Record<string, ClientCapabilities> | undefined;
    const can = envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
    const inputRequests: InputRequests = {
      ...(can.elicitation && { user_name: askFor("What is your name?", "name") }),
      ...(can.sampling && { greeting: askModel("Greet somebody.") }),
      ...(can.roots && { client_roots: inputRequired.listRoots() }),
    };
    if (Object.keys(inputRequests).length === 0) return say("This client can be asked nothing.");
    return inputRequired({ inputRequests });
  });
}

function addStatefulRounds(add: Add, { mintState }: ConnectionContext): void {
  for (const name of ["request_state", "tampered_state"])
    add(`test_input_required_result_${name}`, async (call) => {
      const { mcpReq } = call;
      if (mcpReq.requestState() !== undefined && answered(call, "confirm", "ok") !== undefined)
        return say("state-ok");
      const requestState = await mintState({ name });
      return inputRequired({ inputRequests: { confirm: askFor("Sure?", "ok", "boolean") }, requestState });
    });
  add("test_input_required_result_multiple_inputs", async (call) => {
    const { inputResponses } = call.mcpReq;
    const name = answered(call, "user_name", "name");
    const kinds = ["greeting", "client_roots"].map((key) => inputResponse(inputResponses, key).kind);
    if (typeof name === "string" && kinds.join() === "sampling,roots") return say(`Hello, ${name}!`);
    const inputRequests = {
      user_name: askFor("What is your name?", "name"),
      greeting: askModel("Greet somebody."),
      client_roots: inputRequired.listRoots(),
    };
    return inputRequired({ inputRequests, requestState: await mintState({ asked: 3 }) });
  });
  add("test_input_required_result_multi_round", async (call) => {
    const state = call.mcpReq.requestState<{ round: number; name?: unknown }>();
    if (state === undefined) {
      const requestState = await mintState({ round: 1 });
      return inputRequired({ inputRequests: { step1: askFor("What is your name?", "name") }, requestState });
    }
    if (state.round === 1) {
      const requestState = await mintState({ round: 2, name: answered(call, "step1", "name") });
      return inputRequired({ inputRequests: { step2: askFor("Which color?", "color") }, requestState });
    }
    return say(`${String(state.name)} likes ${String(answered(call, "step2", "color"))}`);
  });
}
