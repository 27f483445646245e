import { execFileSync } from "node:child_process";

/** Where the sources of a Go module are, in the version of go.mod beside this file: for its data files. */
export function moduleDirectory(module: string): string {
  const args = ["list", "-m", "-f", "{{.Dir}}", module];
  return execFileSync("go", args, { cwd: import.meta.dirname, encoding: "utf8" }).trim();
}
