import { fileURLToPath } from "node:url";

/** A container image, as far as the lab has any: programs of this machine, with files laid over its root. */
export interface Image {
  /** Run when the pod names no command. */
  readonly command: readonly string[];
  /** Directories whose files hide those of the machine, the last one on top. */
  readonly layers: readonly string[];
}

const layer = (name: string) => fileURLToPath(new URL(`images/${name}`, import.meta.url));

/** Images by the last part of their name, without tag. */
const IMAGES: Readonly<Record<string, Image>> = {
  nginx: { command: ["nginx", "-g", "daemon off;"], layers: [layer("nginx")] },
  busybox: { command: ["sh"], layers: [] },
  alpine: { command: ["sh"], layers: [] },
  debian: { command: ["bash"], layers: [] },
  pause: { command: ["sleep", "infinity"], layers: [] },
};

/** The image table's names, for messages. */
export const IMAGE_NAMES: readonly string[] = Object.keys(IMAGES);

/** "docker.io/library/nginx:1.27" is "nginx", "localhost:5000/a/b@sha256:..." is "b". */
export function imageBaseName(reference: string): string {
  const withoutDigest = reference.split("@")[0]!;
  return withoutDigest.slice(withoutDigest.lastIndexOf("/") + 1).split(":")[0]!;
}

/**
 * What to run for an image name. An image the table does not know works when the pod names a command, because that
 * command is then looked for on this machine. Undefined is what a real kubelet reports as ErrImagePull.
 */
export function findImage(reference: string, command: readonly string[] | undefined): Image | undefined {
  const known = IMAGES[imageBaseName(reference)];
  if (known !== undefined) return known;
  return command !== undefined && command.length > 0 ? { command: [], layers: [] } : undefined;
}
