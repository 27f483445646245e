import { readFileSync } from "node:fs";
import { join } from "node:path";
import { architectureOf } from "./architecture.ts";
import { bundlePrograms, EXTERNAL } from "./bundle.ts";
import { IMAGE_CONFIG, imageLayers } from "./contents.ts";
import { debianRoot } from "./debian-root.ts";
import { type WrittenImage, writeImage } from "./oci-layout.ts";
import { type Component, type Sbom, sbomOf } from "./sbom.ts";

export interface BuildOptions {
  /** The checkout. */
  readonly root: string;
  /** The archive to write. */
  readonly out: string;
  /** A directory for what the next build may use again. */
  readonly cache: string;
  /** In full, with registry and tag. */
  readonly name: string;
  /** Seconds since 1970. */
  readonly created: number;
}

/**
 * Makes the image for this machine's processor. Same sources, same versions of Debian's packages: same digest.
 * @throws {IronbridgeError} IB_BUILD_FAILED
 */
export async function buildImage(
  options: BuildOptions,
): Promise<{ readonly image: WrittenImage; readonly sbom: Sbom }> {
  const { root, out, cache, name, created } = options;
  const architecture = architectureOf(process.arch);
  const debian = debianRoot(architecture.name, cache);
  const bundle = await bundlePrograms(root);
  const layers = imageLayers({ root, architecture, debian, programs: bundle.files });
  const image = await writeImage({
    name,
    architecture: architecture.name,
    layers,
    config: IMAGE_CONFIG,
    created,
    cache: join(cache, "layers"),
    out,
  });
  const unbundled = [...EXTERNAL, `node-linux-${architecture.node}`, `@koromix/koffi-linux-${architecture.node}`];
  const npm = [...bundle.packages, ...unbundled.map((name) => `node_modules/${name}`)];
  const components = npm.map((directory) => npmComponent(join(root, directory)));
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return { image, sbom: sbomOf({ name, version, digest: image.digest, created, debian: debian.packages, components }) };
}

function npmComponent(directory: string): Component {
  const { name, version, license } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  return { name, version, ...(typeof license === "string" && { license }) };
}
