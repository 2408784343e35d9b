import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  getMcpConfigForManifest,
  packExtension,
  unpackExtension,
  validateManifest,
} from "@anthropic-ai/mcpb";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { bundleManifest } from "../../release/bundle-manifest.ts";
import { ENVIRONMENT } from "../../src/config.ts";
import { SERVER_INFO } from "../../src/connection/server-info.ts";
import { ROOT, tempDir } from "../harness.ts";

const readJson = (file: string) => JSON.parse(readFileSync(join(ROOT, file), "utf8"));
const manifest = readJson("package.json");

/** What the registry's schema of 2025-12-11 asks of the fields that server.json has. */
const listing = z.strictObject({
  $schema: z.literal("https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"),
  name: z
    .string()
    .max(200)
    .regex(/^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/),
  title: z.string().min(1).max(100),
  description: z.string().min(1).max(100),
  version: z.string().max(255),
  websiteUrl: z.url(),
  repository: z.strictObject({ url: z.url(), source: z.literal("github") }),
  icons: z.array(
    z.strictObject({
      src: z.url({ protocol: /^https$/ }).max(255),
      mimeType: z.literal("image/png"),
      sizes: z.array(z.string().regex(/^\d+x\d+$/)),
    }),
  ),
  packages: z.array(
    z.strictObject({
      registryType: z.literal("npm"),
      identifier: z.string(),
      version: z.string().regex(/^\d+\.\d+\.\d+/),
      runtimeHint: z.literal("npx"),
      transport: z.strictObject({ type: z.literal("stdio") }),
      packageArguments: z.array(z.strictObject({ type: z.literal("positional"), value: z.string() })),
      environmentVariables: z.array(
        z.strictObject({
          name: z.enum(Object.values(ENVIRONMENT) as [string, ...string[]]),
          description: z.string(),
          isSecret: z.boolean().optional(),
          format: z.enum(["string", "number", "boolean", "filepath"]).optional(),
        }),
      ),
    }),
  ),
});

it("server.json is what the registry takes, and says what package.json says", () => {
  const server = listing.parse(readJson("server.json"));
  expect(server).toMatchObject({
    name: manifest.mcpName,
    version: manifest.version,
    title: SERVER_INFO.title,
    description: SERVER_INFO.description,
    websiteUrl: manifest.homepage,
    packages: [{ identifier: manifest.name, version: manifest.version }],
  });
  const secrets = server.packages[0]?.environmentVariables.filter(({ isSecret }) => isSecret);
  expect(secrets?.map(({ name }) => name)).toEqual(["NIGHTSHIFT_MODEL_API_KEY"]);
});

it("the bundle is valid, can be packed and unpacked, and starts a server with what the user configured", async () => {
  const dir = await tempDir();
  const folder = join(dir, "bundle");
  mkdirSync(folder);
  // What `npm run bundle` puts together; the packages come from here, because installing them takes a minute.
  cpSync(join(ROOT, "dist"), join(folder, "dist"), { recursive: true });
  cpSync(join(ROOT, "icon.png"), join(folder, "icon.png"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  const made = bundleManifest(manifest);
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(made));
  expect(validateManifest(join(folder, "manifest.json"))).toBe(true);
  const file = join(dir, "nightshift.mcpb");
  expect(await packExtension({ extensionPath: folder, outputPath: file, silent: true })).toBe(true);
  const out = join(dir, "unpacked");
  expect(await unpackExtension({ mcpbPath: file, outputDir: out, silent: true })).toBe(true);
  for (const path of [made.icon, made.server.entry_point])
    expect(existsSync(join(out, path)), path).toBe(true);
  symlinkSync(join(ROOT, "node_modules"), join(out, "node_modules"));
  const config = await getMcpConfigForManifest({
    manifest: made,
    extensionPath: out,
    systemDirs: {},
    userConfig: { model: "openai:gpt", model_api_key: "sk-1" },
    pathSeparator: "/",
  });
  expect(config?.env).toEqual({
    NIGHTSHIFT_MODEL: "openai:gpt",
    NIGHTSHIFT_MODEL_API_KEY: "sk-1",
    NIGHTSHIFT_MODEL_BASE_URL: "",
  });
  const client = new Client({ name: "test", version: "1" });
  onTestFinished(() => client.close());
  const env = { HOME: dir, ...config?.env };
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [...(config?.args ?? [])], env }),
  );
  expect((await client.listTools()).tools.length).toBeGreaterThan(10);
});
