import type { Script } from "../model/scripted.ts";

export const FACT = "Alice takes her coffee with oat milk and is allergic to peanuts.";
export const PROMPT =
  "Write Alice a one-line good-morning note. Check what you know about her, remember that you wrote, and look at the clock.";

/** What the scripted model answers, step by step: it reads only how far the conversation has come. */
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
