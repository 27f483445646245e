// Writes dist/ironbridge.tar and dist/ironbridge.spdx.json; `make image` runs it. SOURCE_DATE_EPOCH sets the image's time.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildImage } from "./build.ts";

const root = join(import.meta.dirname, "../..");
const created = Number(process.env.SOURCE_DATE_EPOCH ?? 0);
const { image, sbom } = await buildImage({
  root,
  out: join(root, "dist/ironbridge.tar"),
  cache: join(root, "dist/image"),
  name: process.env.IMAGE ?? "docker.io/ironbridge/ironbridge:dev",
  created,
});
writeFileSync(join(root, "dist/ironbridge.spdx.json"), `${JSON.stringify(sbom, null, 1)}\n`);
const megabytes = image.layers.map(({ size }) => (size / 1e6).toFixed(1));
console.log(`dist/ironbridge.tar: ${image.digest}, layers of ${megabytes.join(" + ")} MB`);
