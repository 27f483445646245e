import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join, posix } from "node:path";
import { IronbridgeError } from "../../core/mod.ts";
import type { TarEntry } from "./tar-writer.ts";

/** Something to put into an image; `to` is an absolute path there. Where two put the same path, the later one wins. */
export type Source = SourceKind & { readonly uid?: number; readonly gid?: number };

type SourceKind =
  /** A file, link or directory of this machine, a directory with all below it; modes are kept, `mode` is for a file. */
  | { readonly to: string; readonly from: string; readonly mode?: number }
  /** A file of this content; mode 0644 unless told. */
  | { readonly to: string; readonly content: string | Uint8Array; readonly mode?: number }
  /** A symbolic link. */
  | { readonly to: string; readonly link: string }
  /** An empty directory of this mode. */
  | { readonly to: string; readonly directory: number };

/**
 * The members of a layer: sorted by path, with the directories above them, which are root's and 0755 unless a source
 * says otherwise.
 * @throws {IronbridgeError} IB_BUILD_FAILED for a path that isn't absolute, and for what has no place in an image: devices,
 * pipes, sockets.
 */
export function layerEntries(sources: readonly Source[]): readonly TarEntry[] {
  const entries = new Map<string, TarEntry>();
  for (const source of sources) {
    for (const entry of sourceEntries(source)) entries.set(entry.path, entry);
  }
  for (const path of [...entries.keys()]) {
    for (let above = posix.dirname(path); above !== "."; above = posix.dirname(above)) {
      if (!entries.has(above)) entries.set(above, { kind: "directory", path: above, mode: 0o755 });
    }
  }
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function sourceEntries(source: Source): readonly TarEntry[] {
  if (!posix.isAbsolute(source.to)) {
    throw new IronbridgeError("IB_BUILD_FAILED", `an image's path must be absolute, got "${source.to}"`);
  }
  const path = posix.normalize(source.to).replace(/^\/|\/$/g, "");
  const owner = { uid: source.uid ?? 0, gid: source.gid ?? 0 };
  if ("from" in source) return machineEntries(path, source.from, source.mode, owner);
  if ("link" in source) return [{ kind: "symlink", path, target: source.link, ...owner }];
  if ("directory" in source) return [{ kind: "directory", path, mode: source.directory, ...owner }];
  return [{ kind: "file", path, mode: source.mode ?? 0o644, content: Buffer.from(source.content), ...owner }];
}

function machineEntries(
  path: string,
  from: string,
  mode: number | undefined,
  owner: { readonly uid: number; readonly gid: number },
): readonly TarEntry[] {
  const stat = lstatSync(from);
  if (stat.isSymbolicLink()) return [{ kind: "symlink", path, target: readlinkSync(from), ...owner }];
  if (stat.isFile()) {
    return [{ kind: "file", path, mode: mode ?? stat.mode & 0o7777, content: { file: from }, ...owner }];
  }
  if (!stat.isDirectory()) {
    throw new IronbridgeError("IB_BUILD_FAILED", `${from} is neither a file nor a directory nor a link`);
  }
  const below = readdirSync(from).flatMap((name) =>
    machineEntries(posix.join(path, name), join(from, name), undefined, owner),
  );
  // The root of a layer has no entry of its own.
  return path === "" ? below : [{ kind: "directory", path, mode: stat.mode & 0o7777, ...owner }, ...below];
}
