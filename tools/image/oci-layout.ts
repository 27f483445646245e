import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Architecture } from "./architecture.ts";
import { layerEntries, type Source } from "./layer.ts";
import { type TarEntry, writeTar } from "./tar-writer.ts";

/** How a container of the image starts: the fields of the OCI image configuration, as they are spelt there. */
export interface ImageConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  /** "NAME=value". */
  readonly Env?: readonly string[];
  /** "uid:gid"; root when absent. */
  readonly User?: string;
  readonly WorkingDir?: string;
  /** "80/tcp". */
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Labels?: Readonly<Record<string, string>>;
}

export interface ImageOptions {
  /** In full, with registry and tag: docker.io/ironbridge/ironbridge:dev. */
  readonly name: string;
  readonly architecture: Architecture;
  /** The lowest first. What changes together belongs together: an upgrade fetches only the layers that changed. */
  readonly layers: readonly (readonly Source[])[];
  readonly config: ImageConfig;
  /** Seconds since 1970, of every file and of the image; 0 unless told. Same input and time, same octets. */
  readonly created?: number;
  /** A directory for compressed layers: a layer that is there already is not compressed again, unused ones are removed. */
  readonly cache?: string;
  /** The file to write: an OCI layout in a tar, which also carries Docker's manifest.json. */
  readonly out: string;
}

export interface WrittenImage {
  /** Of the manifest: what a registry and `ctr` call the image's digest. */
  readonly digest: string;
  /** Of the configuration: the image's ID, which doesn't depend on how layers are compressed. */
  readonly id: string;
  /** In order, with the octets of each, compressed. */
  readonly layers: readonly Blob[];
}

export interface Blob {
  readonly digest: string;
  readonly size: number;
}

interface Layer extends Blob {
  /** Of the tar as it is before compression. */
  readonly diffId: string;
  readonly file: string;
}

const MEDIA = "application/vnd.oci.image";

/**
 * Writes an image without any container tool: OCI image layout 1.0 and, for `docker load`, manifest.json over the same
 * blobs. `ctr images import`, `docker load`, `podman load` and `skopeo` read it.
 * @throws {IronbridgeError} IB_BUILD_FAILED as layerEntries() and writeTar() do.
 */
export async function writeImage(options: ImageOptions): Promise<WrittenImage> {
  const { name, architecture, config, created = 0, out } = options;
  await mkdir(dirname(resolve(out)), { recursive: true });
  const work = await mkdtemp(`${resolve(out)}.`);
  try {
    const layers: Layer[] = [];
    for (const sources of options.layers) {
      layers.push(await writeLayer(layerEntries(sources), created, options.cache ?? work));
    }
    if (options.cache !== undefined) await removeUnused(options.cache, layers);
    const configBlob = jsonBlob({
      created: new Date(created * 1000).toISOString(),
      architecture,
      os: "linux",
      config,
      rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
      history: layers.map(() => ({ created: new Date(created * 1000).toISOString(), created_by: "ironbridge" })),
    });
    const manifest = jsonBlob({
      schemaVersion: 2,
      mediaType: `${MEDIA}.manifest.v1+json`,
      config: { mediaType: `${MEDIA}.config.v1+json`, digest: configBlob.digest, size: configBlob.size },
      layers: layers.map(({ digest, size }) => ({ mediaType: `${MEDIA}.layer.v1.tar+gzip`, digest, size })),
    });
    const entries = layoutEntries({ name, architecture, layers, config: configBlob, manifest });
    const archive = join(work, "archive");
    await pipeline(Readable.from(writeTar(entries, created), { objectMode: false }), createWriteStream(archive));
    await rename(archive, out);
    return {
      digest: manifest.digest,
      id: configBlob.digest,
      layers: layers.map(({ digest, size }) => ({ digest, size })),
    };
  } finally {
    await rm(work, { recursive: true });
  }
}

/**
 * Compresses a layer into a file of `directory` that is named after what is in it.
 * Node writes no time and no file name into gzip's header, so the same tar gives the same octets.
 */
async function writeLayer(entries: readonly TarEntry[], modified: number, directory: string): Promise<Layer> {
  const diffId = hashOf(writeTar(entries, modified));
  const file = join(directory, `${diffId}.tar.gz`);
  if (!existsSync(file)) {
    const unfinished = `${file}.${process.pid}`;
    await mkdir(directory, { recursive: true });
    await pipeline(
      Readable.from(writeTar(entries, modified), { objectMode: false }),
      createGzip({ level: 9 }),
      createWriteStream(unfinished),
    );
    await rename(unfinished, file);
  }
  const { size } = await stat(file);
  return { file, size, digest: `sha256:${await hashOfFile(file)}`, diffId: `sha256:${diffId}` };
}

/** SHA-256 in hexadecimal. */
function hashOf(chunks: Iterable<Uint8Array>): string {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

async function hashOfFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

async function removeUnused(cache: string, layers: readonly Layer[]): Promise<void> {
  const used = new Set(layers.map(({ file }) => basename(file)));
  for (const name of await readdir(cache)) {
    if (!used.has(name)) await rm(join(cache, name));
  }
}

interface JsonBlob extends Blob {
  readonly content: Uint8Array;
}

function jsonBlob(value: object): JsonBlob {
  const content = Buffer.from(JSON.stringify(value));
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
  return { content, digest, size: content.length };
}

interface Layout {
  readonly name: string;
  readonly architecture: Architecture;
  readonly layers: readonly Layer[];
  readonly config: JsonBlob;
  readonly manifest: JsonBlob;
}

/** @see https://github.com/opencontainers/image-spec/blob/v1.0.2/image-layout.md */
function layoutEntries({ name, architecture, layers, config, manifest }: Layout): readonly TarEntry[] {
  const json = (path: string, value: object): TarEntry => fileEntry(path, Buffer.from(JSON.stringify(value)));
  const annotations = {
    "io.containerd.image.name": name,
    "org.opencontainers.image.ref.name": name.slice(name.lastIndexOf(":") + 1),
  };
  const index = {
    mediaType: `${MEDIA}.manifest.v1+json`,
    digest: manifest.digest,
    size: manifest.size,
    annotations,
    platform: { architecture, os: "linux" },
  };
  // Two layers of the same files are one blob.
  const blobs = new Map<string, TarEntry>();
  for (const { digest, file } of layers) blobs.set(digest, fileEntry(blobPath(digest), { file }));
  for (const { digest, content } of [config, manifest]) blobs.set(digest, fileEntry(blobPath(digest), content));
  return [
    json("oci-layout", { imageLayoutVersion: "1.0.0" }),
    json("index.json", { schemaVersion: 2, mediaType: `${MEDIA}.index.v1+json`, manifests: [index] }),
    json("manifest.json", [
      { Config: blobPath(config.digest), RepoTags: [name], Layers: layers.map(({ digest }) => blobPath(digest)) },
    ]),
    { kind: "directory", path: "blobs", mode: 0o755 },
    { kind: "directory", path: "blobs/sha256", mode: 0o755 },
    ...blobs.values(),
  ];
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function fileEntry(path: string, content: Uint8Array | { readonly file: string }): TarEntry {
  return { kind: "file", path, mode: 0o644, content };
}
