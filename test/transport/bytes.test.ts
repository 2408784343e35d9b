import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { collectBytes } from "../../src/transport/bytes.ts";

/** Frees what nothing holds. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}

it("bytes that come in pieces of one are one text, and the pieces are not kept", async () => {
  const bytes = collectBytes(5_000);
  const pieces: WeakRef<Buffer>[] = [];
  for (let i = 0; i < 5_000; i++) {
    const piece = Buffer.from(String(i % 10));
    pieces.push(new WeakRef(piece));
    expect(bytes.add(piece)).toBe("added");
  }
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  expect(pieces.filter((piece) => piece.deref()).length).toBeLessThan(50);
  expect(bytes.add(Buffer.from("x"))).toBe("full");
  expect(bytes.take().toString()).toBe("0123456789".repeat(500));
  expect(bytes.take().length).toBe(0);
});

it("bytes are counted as far as the buffer grows, and none more is taken when that is refused", () => {
  let held = 0;
  const bytes = collectBytes(1_000, (more) => {
    if (held + more > 64) return false;
    held += more;
    return true;
  });
  for (let i = 0; i < 64; i++) expect(bytes.add(Buffer.from("a"))).toBe("added");
  expect(held).toBe(64);
  expect(bytes.add(Buffer.from("a"))).toBe("refused");
  expect(bytes.take().length).toBe(64);
});
