import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { IronbridgeError } from "../../core/mod.ts";
import type { Architecture } from "./architecture.ts";

/** A root file system made of Debian packages, unpacked but never run. */
export interface DebianRoot {
  readonly directory: string;
  /** Sorted by name. */
  readonly packages: readonly DebianPackage[];
}

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** The paragraph that dpkg knows of the package. */
  readonly control: string;
}

const SUITE = "bookworm";
const MIRROR = "http://deb.debian.org/debian";
const SOURCES = [
  `deb ${MIRROR} ${SUITE} main`,
  `deb ${MIRROR} ${SUITE}-updates main`,
  `deb http://deb.debian.org/debian-security ${SUITE}-security main`,
];

/**
 * What the programs load or start: Node's C++ library, libnftables and nft, both variants of iptables, modprobe, and a
 * shell with the usual tools in one file. base-files says to scanners which Debian this is.
 */
const PACKAGES = ["base-files", "busybox", "iptables", "kmod", "libnftables1", "libstdc++6", "nftables"];

/** Everything is unpacked below /usr, as an installed Debian has it. */
const MERGE_USR = 'for d in bin sbin lib lib64; do mkdir -p "$1/usr/$d"; ln -s "usr/$d" "$1/$d"; done';

/** Nobody reads these in a container: documentation but for licences, character sets, what only installing needs. */
const UNUSED = [
  ..."boot dev proc sys run home var/cache var/log var/backups var/lib/apt var/lib/dpkg".split(" "),
  ..."etc/apt etc/dpkg etc/fstab etc/hostname etc/init.d etc/resolv.conf etc/skel etc/update-motd.d".split(" "),
  ..."bash-completion dict gcc gdb info initramfs-tools lintian locale man"
    .split(" ")
    .map((name) => `usr/share/${name}`),
];
const UNUSED_LIBRARIES = ["gconv", "audit"];
const LICENCE = "copyright";

/**
 * Makes the root file system, or takes the one made before of the same list of packages from `cache`: Debian is asked
 * again only when the list changes or the cache is removed.
 * @param cache A directory for it; the root file system gets a directory of its own there.
 * @throws {IronbridgeError} IB_BUILD_FAILED with the last words of mmdebstrap.
 */
export function debianRoot(architecture: Architecture, cache: string): DebianRoot {
  const recipe = [MERGE_USR, SOURCES, PACKAGES, UNUSED, UNUSED_LIBRARIES, architecture];
  const key = createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, 12);
  const home = join(cache, `debian-${architecture}-${key}`);
  if (!existsSync(home)) {
    const work = `${home}.${process.pid}`;
    mkdirSync(work, { recursive: true });
    try {
      const packages = makeRoot(architecture, join(work, "root"));
      writeFileSync(join(work, "packages.json"), JSON.stringify(packages, null, 1));
      renameSync(work, home);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return { directory: join(home, "root"), packages: JSON.parse(readFileSync(join(home, "packages.json"), "utf8")) };
}

function makeRoot(architecture: Architecture, root: string): readonly DebianPackage[] {
  const options = ["--variant=extract", `--architectures=${architecture}`, `--include=${PACKAGES.join(",")}`];
  const hook = `--setup-hook=${MERGE_USR}`;
  run("mmdebstrap", [...options, hook, "--skip=cleanup/apt", SUITE, root, ...SOURCES]);
  const archives = join(root, "var/cache/apt/archives");
  const packages = readdirSync(archives)
    .filter((name) => name.endsWith(".deb"))
    .map((name) => readPackage(run("dpkg-deb", ["--field", join(archives, name)])))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  removeUnused(root);
  return packages;
}

function removeUnused(root: string): void {
  const libraries = join(root, "usr/lib");
  const unused = [
    ...UNUSED.map((path) => join(root, path)),
    ...readdirSync(libraries).flatMap((name) => UNUSED_LIBRARIES.map((unused) => join(libraries, name, unused))),
    ...documentation(join(root, "usr/share/doc")),
  ];
  for (const path of unused) rmSync(path, { recursive: true, force: true });
}

function documentation(directory: string): readonly string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) =>
      readdirSync(join(directory, name))
        .filter((file) => file !== LICENCE)
        .map((file) => join(directory, name, file)),
    );
}

/** @param control Fields of deb-control(5). */
export function readPackage(control: string): DebianPackage {
  const field = (name: string): string => {
    const value = new RegExp(`^${name}: *(\\S+)$`, "m").exec(control)?.[1];
    if (value === undefined) {
      throw new IronbridgeError("IB_BUILD_FAILED", `a Debian package has no field ${name}: ${control.slice(0, 80)}`);
    }
    return value;
  };
  return { name: field("Package"), version: field("Version"), architecture: field("Architecture"), control };
}

function run(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const words = error instanceof Error && "stderr" in error ? String(error.stderr).trim().split("\n") : [];
    throw new IronbridgeError("IB_BUILD_FAILED", `${program}: ${words.slice(-3).join("; ")}`, { cause: error });
  }
}
