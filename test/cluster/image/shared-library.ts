import { realpathSync } from "node:fs";
import { exec } from "../../../linux/mod.ts";
import type { Source } from "../../../tools/image/mod.ts";

/** Programs of this computer at their own paths, and the libraries they need: enough to run them in an image. */
export async function withLibraries(programs: readonly string[]): Promise<readonly Source[]> {
  const files = new Set<string>();
  for (const program of programs) {
    files.add(program);
    for (const library of parseLdd(await exec("ldd", [realpathSync(program)]))) files.add(library);
  }
  return [...files].map((file) => ({ to: file, from: realpathSync(file), mode: 0o755 }));
}

/** The files that ldd(1) names, the dynamic linker among them. Pure. */
export function parseLdd(text: string): readonly string[] {
  return [...text.matchAll(/(\/\S+) \(0x/g)].map(([, file = ""]) => file);
}
