import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Source, writeImage } from "../../../../tools/image/mod.ts";

const NAME = "docker.io/ironbridge/test:v1";
const base: readonly Source[] = [{ to: "/etc/a", content: "a" }];
const top: readonly Source[] = [{ to: "/b", content: "b" }];

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ib-oci-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const write = (options: { layers?: readonly (readonly Source[])[]; created?: number; cache?: string } = {}) =>
  writeImage({
    name: NAME,
    architecture: "arm64",
    layers: [base, top],
    config: { Entrypoint: ["/b"] },
    out: join(directory, "image.tar"),
    ...options,
  });

const member = (path: string) => execFileSync("tar", ["-xOf", join(directory, "image.tar"), path]);
const json = (path: string) => JSON.parse(member(path).toString());
const blob = (digest: string) => `blobs/${digest.replace(":", "/")}`;

describe("writeImage()", () => {
  test("names every blob by its SHA-256, from the index down to the layers", async () => {
    const image = await write();
    const [entry] = json("index.json").manifests;
    expect(entry).toMatchObject({ digest: image.digest, platform: { architecture: "arm64", os: "linux" } });
    expect(entry.annotations["io.containerd.image.name"]).toBe(NAME);
    const manifest = json(blob(image.digest));
    for (const { digest, size } of [entry, manifest.config, ...manifest.layers]) {
      const content = member(blob(digest));
      expect(`sha256:${createHash("sha256").update(content).digest("hex")}`).toBe(digest);
      expect(content.length).toBe(size);
    }
    expect(json("manifest.json")).toEqual([
      { Config: blob(image.id), RepoTags: [NAME], Layers: image.layers.map(({ digest }) => blob(digest)) },
    ]);
  });

  test("tells the digest of each layer as it is before compression", async () => {
    const image = await write();
    const diffIds = image.layers.map(({ digest }) =>
      createHash("sha256")
        .update(gunzipSync(member(blob(digest))))
        .digest("hex"),
    );
    expect(json(blob(image.id)).rootfs.diff_ids).toEqual(diffIds.map((id) => `sha256:${id}`));
  });

  test("gives the same digest to the same input, and another to another time or content", async () => {
    const { digest } = await write();
    expect((await write()).digest).toBe(digest);
    expect((await write({ created: 1 })).digest).not.toBe(digest);
    expect((await write({ layers: [base] })).digest).not.toBe(digest);
  });

  test("keeps compressed layers in the cache as long as they are used, to the same digest", async () => {
    const cache = join(directory, "layers");
    const first = await write({ cache });
    expect(readdirSync(cache)).toHaveLength(2);
    expect((await write({ cache })).digest).toBe(first.digest);
    await write({ cache, layers: [base] });
    expect(readdirSync(cache)).toHaveLength(1);
    expect(readFileSync(join(cache, readdirSync(cache)[0]!))).toEqual(member(blob(first.layers[0]!.digest)));
  });

  test("leaves nothing but the archive", async () => {
    await write();
    expect(readdirSync(directory)).toEqual(["image.tar"]);
  });
});
