/** What is installed beside the bundle: the types name these packages, and users' own tools import them. */
export const INSTALLED = ["zod", "@modelcontextprotocol/server"] as const;

type Manifest = Record<string, unknown> & { readonly dependencies: Readonly<Record<string, string>> };

/** Everything else that the program needs is in the bundle, and what serves the checkout alone is left out. */
export function publishedManifest(manifest: Manifest): Manifest {
  const { scripts, devDependencies, overrides, allowScripts, dependencies, ...kept } = manifest;
  return {
    ...kept,
    dependencies: Object.fromEntries(INSTALLED.map((name) => [name, dependencies[name] ?? "*"])),
  };
}
