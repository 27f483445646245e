export { type Architecture, type ArchitectureNames, architectureOf } from "./architecture.ts";
export { type BuildOptions, buildImage } from "./build.ts";
export { bundlePrograms } from "./bundle.ts";
export { NODE_FLAGS } from "./contents.ts";
export type { Source } from "./layer.ts";
export { type Blob, type ImageConfig, type ImageOptions, type WrittenImage, writeImage } from "./oci-layout.ts";
export type { Sbom } from "./sbom.ts";
