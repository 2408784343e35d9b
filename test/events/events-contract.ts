import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Events, OwnerEvent } from "../../src/events.ts";

/** The events of two nodes of one installation, which may be the same node. */
export interface EventNodes {
  readonly here: Events;
  readonly there: Events;
}

const run = (i: number): OwnerEvent => ({ kind: "run", uri: `run://${i}` });

export function eventsContract(name: string, open: () => Promise<EventNodes>): void {
  describe(`events carried by ${name}`, () => {
    let nodes: EventNodes;
    const listenTo = (events: Events, userKey: string) => {
      const heard: OwnerEvent[] = [];
      const end = events.subscribe(userKey, (event) => heard.push(event));
      return { heard, end };
    };

    beforeEach(async () => {
      nodes = await open();
    });

    it("reach every listener of their owner on every node, once and in order", async () => {
      const all = [nodes.here, nodes.there, nodes.there].map((node) => listenTo(node, "a"));
      const events = Array.from({ length: 300 }, (_, i) => run(i));
      for (const event of events) nodes.here.publish("a", event);
      for (const { heard } of all) await vi.waitFor(() => expect(heard).toHaveLength(300), 10_000);
      for (const { heard } of all) expect(heard).toEqual(events);
    });

    it("reach nobody else", async () => {
      const [eve, elsewhere] = [listenTo(nodes.here, "eve"), listenTo(nodes.there, "eve")];
      const bob = listenTo(nodes.there, "bob");
      nodes.here.publish("a", run(1));
      nodes.here.publish("bob", run(2));
      await vi.waitFor(() => expect(bob.heard).toEqual([run(2)]), 10_000);
      expect([eve.heard, elsewhere.heard]).toEqual([[], []]);
    });

    it("reach no listener that has ended", async () => {
      const [ended, other] = [listenTo(nodes.there, "a"), listenTo(nodes.there, "a")];
      ended.end();
      nodes.here.publish("a", run(1));
      await vi.waitFor(() => expect(other.heard).toEqual([run(1)]), 10_000);
      expect(ended.heard).toEqual([]);
    });
  });
}
