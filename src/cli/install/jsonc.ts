import {
  applyEdits,
  type Edit,
  findNodeAtLocation,
  type JSONPath,
  modify,
  type Node,
  type ParseError,
  parse,
  parseTree,
  printParseErrorCode,
  visit,
} from "jsonc-parser";
import { badLine, eolOf, type Format } from "./format.ts";

/** JSON with comments and trailing commas, which most clients write or take. */
export const jsonc: Format = {
  parse(text) {
    const errors: ParseError[] = [];
    const value: unknown = parse(text, errors, { allowTrailingComma: true, allowEmptyContent: true });
    const [error] = errors;
    if (!error) return value;
    const problem = printParseErrorCode(error.error)
      .replaceAll(/\B[A-Z]/g, " $&")
      .toLowerCase();
    throw badLine(lineOf(text, error.offset), problem);
  },
  *edits(text, path, entry) {
    const root = parseTree(text);
    if (!root) return yield start(text, { [path[0]]: { [path[1]]: entry } });
    const servers = propertyOf(text, root, path[0]);
    const old = servers && propertyOf(text, servers, path[1]);
    if (entry) {
      if (servers?.type === "object" && !old) yield append(text, servers, path[1], entry);
      else if (!servers && root.type === "object") yield append(text, root, path[0], { [path[1]]: entry });
      else yield replace(text, old ? [...path] : [path[0]], old ? entry : { [path[1]]: entry });
    } else {
      const gone = servers?.children?.length === 1 ? servers : old;
      if (gone?.parent) yield cut(text, gone.parent);
    }
  },
};

/** Puts the first value below the comments of a text that has nothing else. */
function start(text: string, value: object): string {
  const json = `${JSON.stringify(value, null, 2)}\n`.replaceAll("\n", eolOf(text));
  return text.trim() === "" ? json : text.trimEnd() + eolOf(text) + json;
}

const lineOf = (text: string, offset: number): number => text.slice(0, offset).split("\n").length;

/** The value of a key. Throws CONFIG_INVALID when the key is there twice: clients differ in which counts. */
function propertyOf(text: string, object: Node, key: string): Node | undefined {
  if (object.type !== "object") return undefined;
  const twice = object.children?.filter(({ children }) => children?.[0]?.value === key)[1];
  if (twice) throw badLine(lineOf(text, twice.offset), `"${key}" is there twice`);
  return findNodeAtLocation(object, [key]);
}

function replace(text: string, path: JSONPath, value: unknown): string {
  const indent = indentOf(text);
  const formattingOptions = {
    insertSpaces: !indent.startsWith("\t"),
    tabSize: indent.startsWith("\t") ? 1 : indent.length,
    eol: eolOf(text),
  };
  return applyEdits(text, modify(text, path, value, { formattingOptions }));
}

/** The whitespace before the first key that begins a line. */
const indentOf = (text: string): string => /^([ \t]+)"/m.exec(text)?.[1] ?? "  ";

/** The text with spaces for its comments. The library's `stripComments` moves what follows a comment. */
function withoutComments(text: string): string {
  let bare = text;
  const onComment = (offset: number, length: number) => {
    const end = offset + length;
    bare = bare.slice(0, offset) + text.slice(offset, end).replaceAll(/[^\r\n]/g, " ") + bare.slice(end);
  };
  visit(text, { onComment });
  return bare;
}

/**
 * Adds a property below the comments at the end of an object, which belong to what is above them. The library would
 * write the property above anew, and put its comment behind the new one.
 */
function append(text: string, { offset, length, children }: Node, key: string, value: unknown): string {
  const eol = eolOf(text);
  const lead = /([ \t]*)[^\n]*$/.exec(text.slice(0, offset))?.[1] ?? "";
  const json = JSON.stringify({ [key]: value }, null, indentOf(text))
    .split("\n")
    .slice(1, -1);
  const last = children?.at(-1);
  const at = last ? last.offset + last.length : offset + 1;
  const end = offset + length - 1;
  const hasComma = withoutComments(text).slice(at, end).includes(",");
  const tail = text.slice(at, end).trimEnd();
  const space = text.slice(at + tail.length, end);
  return [
    text.slice(0, at),
    hasComma || !last ? "" : ",",
    tail,
    ...json.map((line) => eol + lead + line),
    hasComma ? "," : "",
    space.includes("\n") ? space : eol + lead,
    text.slice(end),
  ].join("");
}

/** Removes a property with one comma, and no comment of another property. */
function cut(text: string, property: Node): string {
  const end = property.offset + property.length;
  const bare = withoutComments(text);
  const follows = /^\s*,/.exec(bare.slice(end))?.[0] ?? "";
  const from = text.slice(0, property.offset).trimEnd().length;
  const edits: Edit[] = [{ offset: from, length: end + follows.length - from, content: "" }];
  const comma = bare.slice(0, from).trimEnd().length - 1;
  if (!follows && bare[comma] === ",") edits.unshift({ offset: comma, length: 1, content: "" });
  return applyEdits(text, edits);
}
