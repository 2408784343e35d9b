import { paint, print } from "../output.ts";

/** Says what happens as it happens: steps stay, the line below them moves while something is waited for. */
export interface Progress {
  step(text: string, detail?: string): void;
  /** Shows `text` with a moving mark until the returned function is called; silent where there is no terminal. */
  waiting(text: () => string): () => void;
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

export function openProgress(isQuiet: boolean): Progress {
  let count = 0;
  return {
    step(text, detail) {
      count += 1;
      if (isQuiet) return;
      print(`${paint("green", "✓")} ${paint("dim", String(count).padStart(2))} ${text}`);
      if (detail) print(`     ${paint("dim", detail)}`);
    },
    waiting(text) {
      if (isQuiet || !process.stdout.isTTY) return () => {};
      let frame = 0;
      const timer = setInterval(() => {
        frame += 1;
        process.stdout.write(`\r\u001b[2K${paint("cyan", FRAMES[frame % FRAMES.length] ?? "")} ${text()}`);
      }, 80);
      return () => {
        clearInterval(timer);
        process.stdout.write("\r\u001b[2K");
      };
    },
  };
}
