import { expect, it } from "vitest";
import { createHeldBytes } from "../../src/connection/held-bytes.ts";
import { setSubscriptionHandlers } from "../../src/connection/resources.ts";

type Handle = (request: { params: { uri: string } }, context: object) => unknown;

function open(modules: readonly string[] = []) {
  const handlers = new Map<string, Handle>();
  const held = createHeldBytes(100_000);
  const subscribed = setSubscriptionHandlers(
    (method, handler) => void handlers.set(method, handler as Handle),
    { era: "legacy", held: held.open("alice") },
    new Map(modules.map((method) => [method, () => ({})])),
  );
  const ask = (method: "subscribe" | "unsubscribe", uri: string) =>
    handlers.get(`resources/${method}`)?.({ params: { uri } }, {});
  return { ask, held, subscribed };
}

it("keeps what somebody serves once, counts it, and gives it back", () => {
  const { ask, held, subscribed } = open();
  for (let i = 0; i < 5; i++) expect(ask("subscribe", "job://a")).toEqual({});
  const bytes = held.total;
  expect([subscribed.size, bytes > 0]).toEqual([1, true]);
  ask("subscribe", "inbox://");
  expect(held.total).toBeGreaterThan(bytes);
  for (const uri of ["job://a", "job://a", "inbox://", "run://never"]) ask("unsubscribe", uri);
  expect([subscribed.size, held.total]).toEqual([0, 0]);
});

it("acknowledges what nobody serves, and keeps nothing of it", () => {
  const { ask, held, subscribed } = open();
  for (const uri of ["test://a", "https://example.com/", "file:///etc/passwd"])
    expect(ask("subscribe", uri)).toEqual({});
  expect([subscribed.size, held.total]).toEqual([0, 0]);
});

it("keeps what a module may serve", () => {
  const { ask, subscribed } = open(["resources/read"]);
  ask("subscribe", "test://a");
  expect([...subscribed]).toEqual(["test://a"]);
});
