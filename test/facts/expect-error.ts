import { expect } from "vitest";
import type { NightshiftError } from "../../src/errors.ts";

export async function failureOf(promise: Promise<unknown>): Promise<NightshiftError> {
  const failure = await promise.then(
    () => undefined,
    (error: NightshiftError) => error,
  );
  if (failure === undefined) throw new Error("it did not fail");
  return failure;
}

export async function expectCode(promise: Promise<unknown>, code: string): Promise<void> {
  expect((await failureOf(promise)).code).toBe(code);
}
