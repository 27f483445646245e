import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Architecture, writeImage } from "../../../tools/image/mod.ts";
import { CHECKOUT } from "../plan.ts";
import { CATALOGUE, type ClusterImage } from "./catalogue.ts";

/** The image as a tar file, which "ctr images import" takes. */
export function imageFile({ file }: ClusterImage): string {
  return join(CHECKOUT.images, `${file}.tar`);
}

/** Writes the images that are not there, and those whose programs have been built anew since. */
export async function buildImages(say: (line: string) => void): Promise<void> {
  for (const image of CATALOGUE) {
    const out = imageFile(image);
    const layers = await image.layers();
    const newest = Math.max(...layers.flat().map((source) => ("from" in source ? statSync(source.from).mtimeMs : 0)));
    const recipe = statSync(join(import.meta.dirname, "catalogue.ts")).mtimeMs;
    if (existsSync(out) && statSync(out).mtimeMs > Math.max(newest, recipe)) continue;
    say(`image ${image.names[0]}`);
    await writeImage({ name: image.names[0], architecture: architecture(), layers, config: image.config, out });
  }
}

function architecture(): Architecture {
  return process.arch === "arm64" ? "arm64" : "amd64";
}
