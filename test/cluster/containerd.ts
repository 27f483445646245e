import { existsSync } from "node:fs";
import { waitFor } from "../support/wait.ts";
import { imageFile } from "./image/build.ts";
import { CATALOGUE } from "./image/catalogue.ts";
import { runInMachine } from "./machine.ts";
import type { MachinePlan } from "./plan.ts";

/**
 * Gives a machine's containerd the images of the cluster. They are unpacked when a container first wants them: most of a
 * start would be the unpacking of images that nobody uses.
 */
export async function importCatalogue(machine: MachinePlan): Promise<void> {
  const ready = async () => (await ctr(machine, "version")) !== "";
  await waitFor(`containerd of ${machine.name}`, ready, { deadline: 30_000, every: 100 });
  for (const image of CATALOGUE) {
    await ctr(machine, "images", "import", "--no-unpack", imageFile(image));
    const [first, ...others] = image.names;
    for (const name of others) await ctr(machine, "images", "tag", "--force", first, name);
  }
}

/** Imports an image from a tar file under the name it has there, ready to run. */
export async function importImage(machine: MachinePlan, file: string): Promise<void> {
  if (!existsSync(file)) throw new Error(`${file} is missing: run "make image"`);
  await ctr(machine, "images", "import", file);
}

/** Tags an image of a machine with a second name. */
export async function tagImage(machine: MachinePlan, from: string, to: string): Promise<void> {
  await ctr(machine, "images", "tag", "--force", from, to);
}

/** The kubelet's images are those of this namespace of containerd. */
async function ctr(machine: MachinePlan, ...args: readonly string[]): Promise<string> {
  const command = ["ctr", "--namespace=k8s.io", ...args] as const;
  const { exitCode, stdout, stderr } = await runInMachine(machine, command, { timeout: 120_000 });
  if (exitCode !== 0) throw new Error(`${machine.name}: ${command.join(" ")}: ${stderr.trim()}`);
  return stdout;
}
