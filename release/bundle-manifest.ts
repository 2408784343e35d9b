// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the client fills these in
/** What package.json says that a bundle's manifest says too. */
export interface PackageFacts {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly homepage: string;
  readonly engines: { readonly node: string };
}

const setting = (title: string, description: string) => ({
  type: "string" as const,
  title,
  description,
  required: false,
  default: "",
});

/** The manifest of the MCP bundle. A user fills in `user_config` when they install it; Nightshift takes empty as unset. */
export const bundleManifest = ({ name, version, description, license, homepage, engines }: PackageFacts) => ({
  manifest_version: "0.3" as const,
  name,
  display_name: "Nightshift",
  version,
  description,
  author: { name: "The Nightshift authors", url: homepage },
  homepage,
  license,
  icon: "icon.png",
  server: {
    type: "node" as const,
    entry_point: "dist/cli.js",
    mcp_config: {
      command: "node",
      args: ["${__dirname}/dist/cli.js", "stdio"],
      env: {
        NIGHTSHIFT_MODEL: "${user_config.model}",
        NIGHTSHIFT_MODEL_API_KEY: "${user_config.model_api_key}",
        NIGHTSHIFT_MODEL_BASE_URL: "${user_config.model_base_url}",
      },
    },
  },
  user_config: {
    model: setting(
      "Model of scheduled prompts",
      "anthropic:<id>, openai:<id> or openai-compatible:<id>. Without one, jobs that call a tool still run.",
    ),
    model_api_key: { ...setting("Key for that model", "The API key of its provider"), sensitive: true },
    model_base_url: setting("URL of that model's API", "Only for openai-compatible models"),
  },
  tools_generated: true,
  prompts_generated: true,
  compatibility: {
    platforms: ["darwin" as const, "linux" as const, "win32" as const],
    runtimes: { node: engines.node },
  },
});
