import type { FactLimits } from "../../src/facts/store.ts";

/** Large limits: a test that is about a limit sets its own. */
export const LIMITS: FactLimits = { maxFacts: 1_000, maxBytes: 1_000_000, maxFactBytes: 4_096 };
