import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** Which top-level folders the files of a folder may import. ARCHITECTURE.md shows the same as a picture. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  net: ["core"],
  linux: ["core", "net"],
  kube: ["core"],
  config: ["core", "net"],
  controller: ["core", "net", "linux", "kube", "config"],
  speaker: ["core", "net", "linux", "kube", "config"],
  proxy: ["core", "net", "linux", "kube", "config"],
  cni: ["core", "net", "linux", "kube", "config"],
  policy: ["core", "net", "linux", "kube", "config"],
  lab: ["core", "net", "linux", "kube", "config", "controller", "speaker", "proxy", "cni", "policy"],
  cli: ["core", "net", "linux", "kube", "config", "controller", "speaker", "proxy", "cni", "policy", "lab"],
  tools: ["core", "net", "config"],
};

/** Files that decide: no I/O and no clock, so that a test needs neither. */
const PURE = /(^|\/)(decide|desired|endpoints|resolve|election|allocator|diff|requests)\.ts$|^net\//;
const IMPURE_MODULE =
  /^node:(fs|net|dgram|http|https|child_process|timers|worker_threads|sqlite)|^execa$|^koffi$|\/linux\//;
const CLOCK = /\b(Date\.now|new Date\(\)|performance\.now|setTimeout|setInterval|Math\.random)\b/;

const problems: string[] = [];
const files = globSync("*/**/*.ts", { exclude: (name) => /node_modules|^dist$|^\.lab$/.test(name) }).map(String);
for (const file of files) checkFile(file, readFileSync(file, "utf8"));
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(`imports: ${files.length} files keep the rule`);

function checkFile(file: string, text: string): void {
  const home = file.split("/")[0] ?? "";
  const pure = PURE.test(file) && home !== "test";
  if (pure && CLOCK.test(text)) problems.push(`${file}: decides, so it may not read a clock or roll dice`);
  for (const [, specifier = ""] of text.matchAll(/^(?:import|export)\b[^;]*?from "([^"]+)"/gm)) {
    if (pure && IMPURE_MODULE.test(specifier) && !new RegExp(`import type [^;]*"${specifier}"`).test(text)) {
      problems.push(`${file}: decides, so it may not import ${specifier}`);
    }
    if (specifier.startsWith(".")) checkImport(file, home, normalize(join(dirname(file), specifier)));
  }
}

function checkImport(file: string, home: string, target: string): void {
  const folder = target.split("/")[0] ?? "";
  if (folder === home || home === "test") return; // a test may look at anything
  if (!ALLOWED[home]?.includes(folder)) {
    problems.push(`${file}: ${home}/ may not import ${target}; allowed: ${ALLOWED[home]?.join(", ") || "nothing"}`);
  } else if (!target.endsWith("/mod.ts")) {
    problems.push(`${file}: import ${target} through the door of its folder, mod.ts`);
  }
}
