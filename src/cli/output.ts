import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** The command line's only way to stdout; a `stdio` server never uses it. */
export const print = (text: string): void => void process.stdout.write(`${text}\n`);

export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2));

/** Coloured where the terminal wants colour (NO_COLOR, FORCE_COLOR and pipes are respected). */
export const paint = (style: Style, text: string): string =>
  styleText(style, text, { stream: process.stdout });

/** Rows under headings, as wide as they need to be. */
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

/** Control characters of stored text must not drive the reader's terminal. */
export const plain = (text: string): string => text.replaceAll(/(?![\n\t])\p{Cc}/gu, " ");

export const oneLine = (text: string, most = 60): string => {
  const line = plain(text).replaceAll(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
};
