import type { Script } from "../model/scripted.ts";
import { paint, print } from "./output.ts";

export const DEMO_FACT = "Alice takes her coffee with oat milk and is allergic to peanuts.";
export const DEMO_PROMPT =
  "Write Alice a one-line good-morning note. Check what you know about her, remember that you wrote, and look at the clock.";

/** The scripted model: it calls three tools one after the other, then answers with a text. */
export const demoScript: Script = ({ messages }) => {
  const done = messages.filter(({ role }) => role === "tool").length;
  const calls = [
    { tool: "recall_facts", arguments: { query: "What does Alice like?" } },
    { tool: "save_fact", arguments: { fact: "A ghost wrote to Alice." } },
    { tool: "current_time", arguments: { timezone: "UTC" } },
  ];
  const call = calls[done];
  if (call) return { calls: [call] };
  return {
    text: "Good morning! (I am an automated run: I could not read or write your memory, and went on without.)",
  };
};

/** Prints the demo's steps, numbered, and a spinner below them while the demo waits. */
export interface DemoProgress {
  step(text: string, detail?: string): void;
  /** Shows `text` beside a spinner until the returned function is called. Prints nothing without a terminal. */
  spin(text: () => string): () => void;
}

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

export function openProgress(isQuiet: boolean): DemoProgress {
  let count = 0;
  return {
    step(text, detail) {
      count += 1;
      if (isQuiet) return;
      print(`${paint("green", "✓")} ${paint("dim", String(count).padStart(2))} ${text}`);
      if (detail) print(`     ${paint("dim", detail)}`);
    },
    spin(text) {
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
