import type { Transport } from "@modelcontextprotocol/client";

/*
 * The SDK validates what a server sends on the main thread, at up to 80 µs for each part that fits no schema (measured:
 * 63 s for one answer of 10 MB). So a message is cut down first, by loops of fixed length, to what a ghost can be given.
 */

/** Bytes of one message, and of one HTTP response. Parsing this much holds the event loop for some 100 ms. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** Tools that are read of one page, and of one server. */
export const MAX_TOOLS = 500;
/** Parts of one tool's answer; the others are counted in a last one. */
export const MAX_BLOCKS = 200;

type Values = Readonly<Record<string, unknown>>;
type OnMessage = NonNullable<Transport["onmessage"]>;

/** Cuts each message that `transport` delivers, before the SDK sees it. */
export function cutIncoming(transport: Transport): void {
  let deliver: Transport["onmessage"];
  Object.defineProperty(transport, "onmessage", {
    configurable: true,
    get: () => deliver,
    set(given: Transport["onmessage"]) {
      deliver = given && ((message, extra) => given(cutMessage(message) as Parameters<OnMessage>[0], extra));
    },
  });
}

/** The same message with fewer tools and content blocks, and with nothing of a tool that is not read. */
function cutMessage(message: unknown): unknown {
  if (!isObject(message) || !isObject(message.result)) return message;
  const { tools, content, _meta, ...result } = message.result;
  return {
    ...message,
    result: {
      ...result,
      ...(isObject(_meta) && { _meta }),
      ...(Array.isArray(tools) && { tools: tools.slice(0, MAX_TOOLS).flatMap(readTool) }),
      ...(Array.isArray(content) && { content: cutContent(content) }),
    },
  };
}

/** Without its output schema: nothing here validates a server's answers. */
function readTool(tool: unknown): readonly Values[] {
  if (!isObject(tool) || typeof tool.name !== "string" || !isObject(tool.inputSchema)) return [];
  const { name, title, description, inputSchema, annotations } = tool;
  return [
    {
      name,
      ...(typeof title === "string" && { title }),
      ...(typeof description === "string" && { description }),
      inputSchema: { ...inputSchema, type: "object" },
      ...(isObject(annotations) && { annotations: readHints(annotations) }),
    },
  ];
}

const readHints = ({ readOnlyHint, idempotentHint }: Values): Values => ({
  ...(readOnlyHint === true && { readOnlyHint }),
  ...(idempotentHint === true && { idempotentHint }),
});

/** Each block as text, in the form that the SDK's schema takes. Images and audio are only named. */
function cutContent(content: readonly unknown[]): readonly Values[] {
  const blocks = content.slice(0, MAX_BLOCKS).map((block) => asText(blockText(block)));
  const more = content.length - blocks.length;
  return more > 0 ? [...blocks, asText(`[${more} more parts]`)] : blocks;
}

const asText = (text: string): Values => ({ type: "text", text });

function blockText(block: unknown): string {
  if (!isObject(block)) return "[unknown content]";
  const { type, text, uri, resource } = block;
  if (type === "text") return typeof text === "string" ? text : "";
  if (type === "resource" && isObject(resource) && typeof resource.text === "string") return resource.text;
  if (type === "resource_link") return `[resource ${textOrUnknown(uri).slice(0, 1_000)}]`;
  return `[${textOrUnknown(type).slice(0, 40)} content]`;
}

const textOrUnknown = (value: unknown): string => (typeof value === "string" ? value : "unknown");

const isObject = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);
