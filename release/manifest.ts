/** What is installed beside the bundle: the types name these packages, and users' own tools import them. */
export const INSTALLED = ["zod", "@modelcontextprotocol/server"] as const;

interface Manifest extends Readonly<Record<string, unknown>> {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
}

/**
 * Everything else that the program needs is in the bundle, and what serves the checkout alone is left out. The scripts
 * that pack stay, so that another `npm pack` puts the checkout's manifest back when one has failed.
 */
export function publishedManifest(manifest: Manifest): Manifest {
  const { scripts, devDependencies, overrides, allowScripts, dependencies, ...kept } = manifest;
  const pick = (from: Readonly<Record<string, string>>, names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, from[name] ?? ""]));
  return {
    ...kept,
    scripts: pick(scripts, ["prepack", "postpack"]),
    dependencies: pick(dependencies, INSTALLED),
  };
}
