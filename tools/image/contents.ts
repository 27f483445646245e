import { join } from "node:path";
import type { ArchitectureNames } from "./architecture.ts";
import type { BundledFile } from "./bundle.ts";
import type { DebianRoot } from "./debian-root.ts";
import type { Source } from "./layer.ts";
import type { ImageConfig } from "./oci-layout.ts";

/** What an image is made of, all of it made before. */
export interface Parts {
  /** The checkout. */
  readonly root: string;
  readonly architecture: ArchitectureNames;
  readonly debian: DebianRoot;
  readonly programs: readonly BundledFile[];
}

/** Where the programs are; below it paths are as in the tree. */
const HOME = "/opt/ironbridge";
/** Of a program that needs no rights: the controller. */
const USER = 65532;

/** A small young generation costs little time and spares 50 MB at 20,000 Services. */
export const NODE_FLAGS = ["--max-semi-space-size=4", "--disable-warning=ExperimentalWarning"];

const ENTRY = `#!/bin/sh
exec /usr/local/bin/node ${NODE_FLAGS.join(" ")} ${HOME}/cli/main.js "$@"
`;

export const IMAGE_CONFIG: ImageConfig = {
  Entrypoint: ["/usr/local/bin/ironbridge"],
  Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  WorkingDir: "/",
};

/** The lowest first and the one that changes most last: Debian, Node with koffi, the programs. */
export function imageLayers(parts: Parts): readonly (readonly Source[])[] {
  return [debianLayer(parts), nodeLayer(parts), programLayer(parts)];
}

function debianLayer({ debian }: Parts): readonly Source[] {
  return [
    { to: "/", from: debian.directory },
    ...["/boot", "/dev", "/home", "/proc", "/run", "/sys", "/var/log"].map((to) => ({ to, directory: 0o755 })),
    // As base-files makes it when it is configured: runtimes name network namespaces by /var/run/netns.
    { to: "/var/run", link: "/run" },
    { to: "/tmp", directory: 0o1777 },
    { to: "/etc/passwd", content: passwd() },
    { to: "/etc/group", content: `root:x:0:\nnogroup:x:65534:\nironbridge:x:${USER}:\n` },
    { to: "/etc/nsswitch.conf", content: "passwd: files\ngroup: files\nhosts: files dns\n" },
    ...busyboxLinks(),
    ...iptablesLinks(),
    // Where scanners look for the packages of a file system that no dpkg has installed.
    ...debian.packages.map(({ name, control }) => ({ to: `/var/lib/dpkg/status.d/${name}`, content: control })),
  ];
}

function passwd(): string {
  const users = [
    ["root", 0, "/root"],
    ["nobody", 65534, "/nonexistent"],
    ["ironbridge", USER, "/nonexistent"],
  ] as const;
  return users.map(([name, id, home]) => `${name}:x:${id}:${id}:${name}:${home}:/bin/sh\n`).join("");
}

/** What somebody who looks into a container types; the programs themselves need only `sh`. */
function busyboxLinks(): readonly Source[] {
  const names = "awk cat cp cut df du echo env find grep head hostname id ip kill less ls mkdir mount mv nc nslookup";
  const more = "ping printf ps rm sed sh sleep sort stat tail tar top tr traceroute uniq vi wc wget";
  return `${names} ${more}`.split(" ").map((name) => ({ to: `/usr/bin/${name}`, link: "busybox" }));
}

/** Debian makes these when the package is configured; nft is Debian's own choice too. */
function iptablesLinks(): readonly Source[] {
  return ["iptables", "ip6tables"].flatMap((program) =>
    ["", "-save", "-restore"].map((verb) => ({ to: `/usr/sbin/${program}${verb}`, link: `${program}-nft${verb}` })),
  );
}

function nodeLayer({ root, architecture }: Parts): readonly Source[] {
  const modules = join(root, "node_modules");
  const native = `@koromix/koffi-linux-${architecture.node}`;
  const inKoffi = ["package.json", "LICENSE.txt", "index.js", "src/koffi/index.js", "src/koffi/src/static.js"].map(
    (file) => `koffi/${file}`,
  );
  const inNative = ["package.json", "index.js", `${architecture.koffi}/koffi.node`].map((file) => `${native}/${file}`);
  return [
    { to: "/usr/local/bin/node", from: join(modules, `node-linux-${architecture.node}/bin/node`), mode: 0o755 },
    ...[...inKoffi, ...inNative].map((file) => ({
      to: `${HOME}/node_modules/${file}`,
      from: join(modules, file),
      mode: 0o644,
    })),
  ];
}

function programLayer({ root, programs }: Parts): readonly Source[] {
  return [
    { to: "/usr/local/bin/ironbridge", content: ENTRY, mode: 0o755 },
    { to: `${HOME}/package.json`, from: join(root, "package.json"), mode: 0o644 },
    { to: `${HOME}/LICENSE`, from: join(root, "LICENSE"), mode: 0o644 },
    { to: `${HOME}/dist/ironbridge-cni`, from: join(root, "dist/ironbridge-cni"), mode: 0o755 },
    ...programs.map(({ path, content }) => ({ to: `${HOME}/${path}`, content })),
  ];
}
