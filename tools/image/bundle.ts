import { build, type Metafile } from "esbuild";

/** Modules an image starts, by their path in the tree without the ending, and where each comes from. */
export const ENTRIES = {
  "cli/main": "cli/image-main.ts",
  "cli/agent": "cli/agent.ts",
  "cli/controller": "cli/controller.ts",
  "speaker/bgp/worker": "speaker/bgp/worker.ts",
  "speaker/l2/worker": "speaker/l2/worker.ts",
} as const;

/** Packages that stay packages: koffi finds its native library by its own place. */
export const EXTERNAL: readonly string[] = ["koffi"];

/** CommonJS packages call require(), which a module does not have. */
const BANNER =
  'import { createRequire as $createRequire } from "node:module"; const require = $createRequire(import.meta.url);';

export interface BundledFile {
  /** Relative to the root of the program: "cli/agent.js". */
  readonly path: string;
  readonly content: Uint8Array;
}

export interface Bundle {
  readonly files: readonly BundledFile[];
  /** Names of the npm packages whose code is in the files, sorted. */
  readonly packages: readonly string[];
}

/**
 * One file for each program and each thread, and files of what they share, at the same paths as in the tree. Names are
 * kept and nothing is squeezed, so that stack traces can be read; nearly all of an image's weight is elsewhere.
 * @param root The checkout.
 */
export async function bundlePrograms(root: string): Promise<Bundle> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: { ...ENTRIES },
    outdir: "/",
    chunkNames: "shared/[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    external: [...EXTERNAL],
    banner: { js: BANNER },
    legalComments: "none",
    metafile: true,
    write: false,
    logLevel: "warning",
  });
  const files = result.outputFiles.map(({ path, contents }) => ({ path: path.slice(1), content: contents }));
  return { files, packages: packagesOf(result.metafile) };
}

/** "node_modules/@scope/name/dist/x.js" belongs to @scope/name; of nested packages the innermost counts. */
function packagesOf({ outputs }: Metafile): readonly string[] {
  const names = new Set<string>();
  for (const { inputs } of Object.values(outputs)) {
    for (const path of Object.keys(inputs)) {
      const inside = path.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1];
      if (inside !== undefined) names.add(inside);
    }
  }
  return [...names].sort();
}
