import { existsSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * A file that comes with the program, by its path in the tree: "dist/ironbridge-cni". An image keeps the paths of the
 * tree, though its programs are bundles, whose code no longer lies where its source did.
 */
export function ownFile(path: string): string {
  return join(findRoot(import.meta.dirname), path);
}

/** A module of the program that is to run as a thread, by its path in the tree without the ending: an image has no .ts. */
export function ownModule(path: string): string {
  return ownFile(`${path}${extname(fileURLToPath(import.meta.url))}`);
}

/** The nearest directory above with a package.json. */
function findRoot(directory: string): string {
  if (existsSync(join(directory, "package.json"))) return directory;
  if (directory === "/") throw new Error(`no package.json above ${import.meta.dirname}`);
  return findRoot(dirname(directory));
}
