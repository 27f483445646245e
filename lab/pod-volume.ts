import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { IronbridgeError } from "../core/mod.ts";
import type { V1Pod } from "../kube/mod.ts";
import { type Mount, orderMounts } from "./container-script.ts";
import { configMapData, type PodObjects } from "./pod-env.ts";
import type { V1Container, V1Volume } from "./resource.ts";

/** Where a volume is on this machine, by its name in the pod. */
export type VolumePaths = ReadonlyMap<string, { readonly path: string; readonly kind: Mount["kind"] }>;

/**
 * Makes the pod's volumes below `directory`.
 * @throws {IronbridgeError} IB_CONFIG_INVALID for a kind of volume the lab has not, and for missing objects.
 */
export async function makeVolumes(pod: V1Pod, objects: PodObjects, directory: string): Promise<VolumePaths> {
  const paths = new Map<string, { path: string; kind: Mount["kind"] }>();
  for (const volume of pod.spec?.volumes ?? []) {
    if (volume.hostPath) {
      const kind = /^(File|Socket|CharDevice|BlockDevice)/.test(volume.hostPath.type ?? "") ? "file" : "directory";
      if (volume.hostPath.type === "DirectoryOrCreate") await mkdir(volume.hostPath.path, { recursive: true });
      paths.set(volume.name, { path: volume.hostPath.path, kind });
      continue;
    }
    const path = join(directory, volume.name);
    await mkdir(path, { recursive: true });
    for (const [name, bytes] of Object.entries(volumeFiles(volume, objects))) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), bytes);
    }
    paths.set(volume.name, { path, kind: "directory" });
  }
  return paths;
}

/** The container's mounts, in the order they have to be made. A subPath of a ConfigMap or Secret is a file. */
export function containerMounts(pod: V1Pod, container: V1Container, paths: VolumePaths): Mount[] {
  const mounts = (container.volumeMounts ?? []).map((mount): Mount => {
    const volume = paths.get(mount.name);
    if (volume === undefined) {
      throw new IronbridgeError(
        "IB_CONFIG_INVALID",
        `volumeMount "${mount.name}" of "${container.name}": no such volume`,
      );
    }
    const source = pod.spec?.volumes?.find(({ name }) => name === mount.name);
    const fileLike = source?.configMap !== undefined || source?.secret !== undefined;
    return {
      source: mount.subPath ? join(volume.path, mount.subPath) : volume.path,
      target: mount.mountPath,
      readOnly: mount.readOnly === true || fileLike,
      kind: mount.subPath && fileLike ? "file" : volume.kind,
    };
  });
  return orderMounts(mounts);
}

/** The files a volume starts with, by relative path. */
export function volumeFiles(volume: V1Volume, objects: PodObjects): Record<string, Uint8Array> {
  if (volume.emptyDir) return {};
  if (volume.configMap) {
    const { name, items, optional } = volume.configMap;
    const text = configMapData(objects, name, optional);
    const binary = objects.configMap(name ?? "")?.binaryData ?? {};
    return pickItems({ ...mapValues(text, (value) => Buffer.from(value)), ...mapValues(binary, fromBase64) }, items);
  }
  if (volume.secret) {
    const { secretName, items, optional } = volume.secret;
    const secret = objects.secret(secretName ?? "");
    if (secret === undefined && optional !== true) {
      throw new IronbridgeError("IB_CONFIG_INVALID", `volume "${volume.name}": secret "${secretName}" not found`);
    }
    return pickItems(mapValues(secret?.data ?? {}, fromBase64), items);
  }
  const kind = Object.keys(volume).find((key) => key !== "name");
  throw new IronbridgeError("IB_CONFIG_INVALID", `volume "${volume.name}" is of kind ${kind}, which the lab has not`);
}

function pickItems(
  files: Record<string, Uint8Array>,
  items: readonly { readonly key: string; readonly path: string }[] | undefined,
): Record<string, Uint8Array> {
  if (items === undefined || items.length === 0) return files;
  const chosen = items.filter(({ key }) => key in files).map(({ key, path }) => [path, files[key]!] as const);
  return Object.fromEntries(chosen);
}

function fromBase64(text: string): Uint8Array {
  return Buffer.from(text, "base64");
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
