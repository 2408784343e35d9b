import { expect, it, onTestFinished } from "vitest";
import { watchTurns } from "../../src/connection/turns.ts";
import { createWorkInProgress } from "../../src/connection/work.ts";

function open() {
  let at = 1_000;
  const lines: object[] = [];
  const work = createWorkInProgress();
  const watch = watchTurns({
    work,
    log: { warn: (fields: object) => void lines.push(fields) },
    now: () => at,
  });
  watch.close();
  onTestFinished(watch.close);
  const lookAfter = (ms: number) => {
    at += ms;
    watch.look();
  };
  return { lines, work, lookAfter };
}

it("logs a long turn with what was at work in it, and with nothing that had ended before", () => {
  const { lines, work, lookAfter } = open();
  work.begin("u", "earlier").ended();
  lookAfter(20);
  work.begin("u", "within").ended();
  work.begin("u", "still");
  lookAfter(420);
  expect(lines).toEqual([{ turn_ms: 400, cpu_ms: expect.any(Number), at_work: ["within", "still"] }]);
});

it("logs no turn that is short, and a row of long ones once a second", () => {
  const { lines, lookAfter } = open();
  for (let i = 0; i < 100; i++) lookAfter(200);
  expect(lines).toHaveLength(0);
  for (let i = 0; i < 10; i++) lookAfter(520);
  expect(lines).toHaveLength(5);
});

it("of work that is over counts what has not ended, for each principal", () => {
  const { work } = open();
  const [one, two] = [work.begin("u", "a"), work.begin("u", "b")];
  one.answered();
  one.answered();
  two.ended();
  two.answered();
  expect([work.unfinished("u"), work.unfinished("v"), work.unfinishedTotal]).toEqual([1, 0, 1]);
  one.ended();
  one.ended();
  expect([work.unfinished("u"), work.unfinishedTotal, work.takeNames()]).toEqual([0, 0, ["b", "a"]]);
  expect(work.takeNames()).toEqual([]);
});
