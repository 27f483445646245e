export type { Source } from "./layer.ts";
export {
  type Architecture,
  type Blob,
  type ImageConfig,
  type ImageOptions,
  type WrittenImage,
  writeImage,
} from "./oci-layout.ts";
