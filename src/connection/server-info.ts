import type { Implementation } from "@modelcontextprotocol/server";
import manifest from "../../package.json" with { type: "json" };
import { version } from "../version.ts";

/** `icon.svg` and, for clients that take no SVG, a small PNG of it. */
const ICONS = [
  {
    src: "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAxMDAgMTAwIj48cmVjdCB3aWR0aD0iMTAwIiBoZWlnaHQ9IjEwMCIgcng9IjIyIiBmaWxsPSIjMTgxYzNhIi8+PHBhdGggZD0iTTU0LjYgMjIuN0EzMCAzMCAwIDEgMCA3Ny4zIDU4LjEgMjUgMjUgMCAxIDEgNTQuNiAyMi43WiIgZmlsbD0iI2Y1ZDc2ZSIvPjwvc3ZnPg==",
    mimeType: "image/svg+xml",
    sizes: ["any"],
  },
  {
    src: "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAADAAAAAwCAMAAABg3Am1AAAAMFBMVEUAAAAYIDgYIDgYIDgYIDgYIDgYIDgwMEBISEhgWEh4cFCQgFiomGDAsGDgwGj42HA6rJ/dAAAAEHRSTlMAIjNViMz/////////////3G4pWgAAAPVJREFUeNqVllkShCAMRF3YIsTc/7bjAuVYRkz3d78iCyQMw6HJ+dCVd9NwafxwV2Zs/jkYNYP+SowB0B6VRwC/1SdAmgaHAQ6LaI8pgFKBFBGAiizACbSKFCCkIiJszyHy5pdkBw4/26u0xyNCZiAdfolmgE/A3Lh6AJuBM4N+E26ACBZSRAFqAKFARoGPRihABpP+yOIq62ojHo3TCOpdjdrvv8zTSt3L15DTFReWtX+9n6K3B5R1f3l/okXzc29qKATH7pjJ/XiUQZZuteJkGJWptJ4XbUKp4z7Spvgy7uGFAq8seCniaxde7PjXAf+cQN+fH4LsPqomXzQFAAAAAElFTkSuQmCC",
    mimeType: "image/png",
    sizes: ["48x48"],
  },
];

/** What every result of the 2026 protocol says of this server. */
export const RESULT_INFO: Implementation = Object.freeze({
  name: "nightshift",
  title: "Nightshift",
  version,
  description: "Remembers facts, and runs scheduled prompts in sessions that cannot reach this memory.",
  websiteUrl: manifest.homepage,
});

/** What `initialize` and the server card say of it. The icons are too long for every result. */
export const SERVER_INFO: Implementation = Object.freeze({ ...RESULT_INFO, icons: ICONS });

/** Its name in the registry of MCP servers. */
export const REGISTRY_NAME: string = manifest.mcpName;
