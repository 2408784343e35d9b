import {
  type Document,
  isCollection,
  isMap,
  isPair,
  isScalar,
  LineCounter,
  type Pair,
  parseDocument,
  stringify,
  type YAMLMap,
} from "yaml";
import { badLine, type EntryPath, eolOf, type Format } from "./format.ts";

/**
 * Where the servers are a block with a key on each line, the entry's lines are put in as text: writing the document
 * anew keeps its comments and order, and changes its spacing.
 */
export const yaml: Format = {
  parse(text) {
    const lineCounter = new LineCounter();
    const document = parseDocument(text, { lineCounter });
    const [error] = document.errors;
    if (!error) return document.toJS() ?? undefined;
    throw badLine(lineCounter.linePos(error.pos[0]).line, String(error.message.split("\n")[0]));
  },
  *edits(text, path, entry) {
    const document = parseDocument(text);
    const [servers, name] = path;
    const root = document.contents;
    const block = document.get(servers);
    const empty = isBlock(root) && (block === null || (isMap(block) && block.items.length === 0));
    const pair = empty ? pairOf(root, servers) : undefined;
    if (entry && pair) yield* replaceEmpty(text, pair, linesOf({ [servers]: { [name]: entry } }, text));
    if (entry && (root === null || (isBlock(root) && !document.has(servers))))
      yield join(text, linesOf({ [servers]: { [name]: entry } }, text));
    if (isBlock(block)) yield* editsOfBlock(text, { root, block, path, entry });
    if (isMap(root)) yield rewrite(document, text, path, entry);
  },
};

/** Replaces a key without servers, unless a comment is in its lines. */
function* replaceEmpty(text: string, pair: Pair, lines: string) {
  const [from, to] = [startOf(text, pair), endOf(text, pair)];
  if (!text.slice(from, to).includes("#")) yield text.slice(0, from) + lines + text.slice(to);
}

interface BlockEdit {
  readonly root: unknown;
  readonly block: YAMLMap;
  readonly path: EntryPath;
  readonly entry: object | undefined;
}

function* editsOfBlock(text: string, { root, block, path: [servers, name], entry }: BlockEdit) {
  const old = pairOf(block, name);
  const [first] = block.items;
  const last = block.items.at(-1);
  if (!first || !last) return;
  if (!entry) {
    const gone = block.items.length === 1 && isMap(root) ? pairOf(root, servers) : old;
    if (gone) yield text.slice(0, startOf(text, gone)) + text.slice(endOf(text, gone));
    return;
  }
  const indent = /[ \t]*/.exec(text.slice(startOf(text, first)))?.[0] ?? "";
  const lines = linesOf({ [name]: entry }, text, indent);
  const [from, to] = old ? [startOf(text, old), endOf(text, old)] : [endOf(text, last), endOf(text, last)];
  yield join(text.slice(0, from), lines) + text.slice(to);
}

const isBlock = (node: unknown): node is YAMLMap => isMap(node) && !node.flow && node.items.length > 0;

const pairOf = (map: YAMLMap, key: string): Pair | undefined =>
  map.items.find((pair) => (isScalar(pair.key) ? pair.key.value : pair.key) === key);

/** Where the line of a pair's key begins. */
const startOf = (text: string, { key }: Pair): number =>
  text.lastIndexOf("\n", (isScalar(key) ? (key.range?.[0] ?? 0) : 0) - 1) + 1;

/** Where the last line of a pair's value ends, its line break included. */
function endOf(text: string, pair: Pair): number {
  let node: unknown = pair;
  while (isPair(node) || (isCollection(node) && !node.flow && node.items.length > 0))
    node = isPair(node) ? (node.value ?? node.key) : node.items.at(-1);
  const end = (isScalar(node) || isCollection(node) ? node.range?.[1] : undefined) ?? text.length;
  const lineEnd = text.indexOf("\n", text[end - 1] === "\n" ? end - 1 : end);
  return lineEnd < 0 ? text.length : lineEnd + 1;
}

function linesOf(value: object, text: string, indent = ""): string {
  const width = /^( +)\S/m.exec(text.replaceAll(/^ *[#-].*$/gm, ""))?.[1]?.length ?? 2;
  const lines = stringify(value, { lineWidth: 0, indent: width }).trimEnd().split("\n");
  return lines.map((line) => indent + line + eolOf(text)).join("");
}

const join = (above: string, lines: string): string =>
  above === "" || above === "\ufeff" || above.endsWith("\n") ? above + lines : above + eolOf(above) + lines;

/** Writes the document anew. */
function rewrite(
  document: Document,
  text: string,
  [servers, name]: EntryPath,
  entry: object | undefined,
): string {
  const block = document.get(servers);
  if (entry)
    document.setIn(isMap(block) ? [servers, name] : [servers], isMap(block) ? entry : { [name]: entry });
  else document.deleteIn(isMap(block) && block.items.length > 1 ? [servers, name] : [servers]);
  const written = document.toString({ lineWidth: 0, flowCollectionPadding: !/\{\S/.test(text) });
  return written.replaceAll("\n", eolOf(text));
}
