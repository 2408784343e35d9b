import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** Writes a line to stdout. The `stdio` command never calls it, because its stdout belongs to MCP. */
export const print = (text: string): void => void process.stdout.write(`${forTerminal(text)}\n`);

/** Writes a line to stderr. */
export const printError = (text: string): void => void process.stderr.write(`${forTerminal(text)}\n`);

/** Writes JSON to stdout. What a terminal would act on is escaped, so it is the same value when it is parsed. */
export const printJson = (value: unknown): void => print(escapeUnprintable(JSON.stringify(value, null, 2)));

/**
 * Control characters, but for line breaks and tabs; what turns the direction of text or separates lines; and characters
 * that hide text (tags, a byte order mark). Joiners and variation selectors are parts of words and of emoji, and stay.
 */
const UNPRINTABLE =
  /(?![\n\t])\p{Cc}|\p{Bidi_Control}|[\u2028\u2029\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Cs}/gu;
/** What `paint` writes. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: an escape is how a style begins
const STYLE = /(\u001b\[(?:[1-7]|2[2-9]|3\d|9\d)m)/;

/** All that is printed comes through here, so no text reaches the terminal that somebody forgot to make plain. */
const forTerminal = (text: string): string =>
  text
    .split(STYLE)
    .map((part, i) => (i % 2 === 1 ? part : plain(part)))
    .join("");

const escapeUnprintable = (json: string): string =>
  json.replaceAll(UNPRINTABLE, (found) =>
    [...Array(found.length).keys()]
      .map((i) => `\\u${found.charCodeAt(i).toString(16).padStart(4, "0")}`)
      .join(""),
  );

/** Colours text where stdout is a terminal that wants colour (NO_COLOR, FORCE_COLOR and pipes are respected). */
export const paint = (style: Style, text: string): string =>
  styleText(style, text, { stream: process.stdout });

/** Formats rows under headings, each column as wide as its longest cell. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return [paint("bold", line(headings)), ...rows.map(line)].join("\n");
}

/** Replaces what a terminal would act on, so that stored text cannot command it or show other than what it says. */
export const plain = (text: string): string => text.replaceAll(UNPRINTABLE, " ");

/** Puts text on one line of at most `maxChars` characters. */
export const oneLine = (text: string, maxChars = 60): string => {
  const line = plain(text).replaceAll(/\s+/g, " ").trim();
  return line.length > maxChars ? `${line.slice(0, maxChars - 1)}…` : line;
};

/** The message of whatever was thrown. */
