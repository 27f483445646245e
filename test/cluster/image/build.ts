import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Architecture, type Source, writeImage } from "../../../tools/image/mod.ts";
import { CHECKOUT } from "../plan.ts";
import { CATALOGUE, type ClusterImage } from "./catalogue.ts";
import { isCurrent, printRecord } from "./source-record.ts";

/** What says how images are made: another one makes them anew. */
const RECIPE = ["catalogue.ts", "shared-library.ts"].map((name) => join(import.meta.dirname, name));

/** The image as a tar file, which "ctr images import" takes. */
export function imageFile({ file }: ClusterImage): string {
  return join(CHECKOUT.images, `${file}.tar`);
}

/**
 * Writes the images that are not there, and those of which a file has changed since. What an image is made of is not
 * found out again: that asks the linker for the libraries of two hundred programs, and other libraries are needed only
 * by another program.
 */
export async function buildImages(say: (line: string) => void): Promise<void> {
  for (const image of CATALOGUE) {
    const out = imageFile(image);
    const record = `${out}.sources`;
    if (existsSync(out) && isCurrent(record)) continue;
    say(`image ${image.names[0]}`);
    const layers = await image.layers();
    const sources = printRecord([...RECIPE, ...layers.flat().flatMap(fileOf)]);
    await writeImage({ name: image.names[0], architecture: architecture(), layers, config: image.config, out });
    writeFileSync(record, sources);
  }
}

function fileOf(source: Source): readonly string[] {
  return "from" in source ? [source.from] : [];
}

function architecture(): Architecture {
  return process.arch === "arm64" ? "arm64" : "amd64";
}
