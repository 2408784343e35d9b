import { defineConfig } from "vitest/config";
import { COMMON, QUICK } from "./vitest.config.ts";

/** A part of the tests for while one works: no process is started, nothing is built, and there is no Postgres. */
export default defineConfig({ test: { ...COMMON, include: QUICK, provide: { database: "SQLite" } } });
