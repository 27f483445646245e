import { IronbridgeError } from "../../core/mod.ts";

/** One processor, by the names that everybody else has for it. */
export interface ArchitectureNames {
  /** Of container images and of Debian. */
  readonly name: Architecture;
  /** process.arch of Node, which npm packages end in. */
  readonly node: string;
  /** Of koffi's directory with the library for the GNU C library. */
  readonly koffi: string;
}

export type Architecture = "amd64" | "arm64";

/** All that differs between the images of two processors. */
const ARCHITECTURES: readonly ArchitectureNames[] = [
  { name: "amd64", node: "x64", koffi: "linux_x64" },
  { name: "arm64", node: "arm64", koffi: "linux_arm64" },
];

/**
 * @param node As process.arch says it.
 * @throws {IronbridgeError} IB_BUILD_FAILED for a processor there is no image for.
 */
export function architectureOf(node: string): ArchitectureNames {
  const found = ARCHITECTURES.find((architecture) => architecture.node === node);
  if (found !== undefined) return found;
  const known = ARCHITECTURES.map((architecture) => architecture.node).join(", ");
  throw new IronbridgeError("IB_BUILD_FAILED", `there is no image for the processor "${node}", only for ${known}`);
}
