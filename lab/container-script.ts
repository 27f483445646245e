/** One host path seen inside a container. */
export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly kind: "directory" | "file";
}

/** A container, ready to start: everything looked up, nothing left to decide. */
export interface ContainerPlan {
  /** An empty directory of this machine: the container's root appears there, in its own mount namespace only. */
  readonly rootDir: string;
  /** Path of the pod's network namespace. */
  readonly netnsPath: string;
  readonly hostname: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  /** Directories whose files are laid over the root of this machine, the last one on top. */
  readonly layers: readonly string[];
  readonly mounts: readonly Mount[];
  /** Standard output and error are appended here. */
  readonly logFile: string;
}

/** What a shell prints into the log when the program of a container can't be started, and its exit code. */
export const COMMAND_NOT_FOUND = 127;

/**
 * The shell script that turns a process in new mount, PID and UTS namespaces into the container: an overlay of this
 * machine's root file system whose changes go to memory, so that nothing is left once the namespace ends. The image's
 * layers are copied: they may lie below that root, and the kernel refuses overlays that contain each other.
 */
export function printContainerScript(plan: ContainerPlan): string {
  const scratch = quote(plan.rootDir);
  const root = `${scratch}/root`;
  const lines = [
    "set -e",
    "mount --make-rprivate /",
    `hostname ${quote(plan.hostname)}`,
    `mount -t tmpfs tmpfs ${scratch}`,
    `mkdir ${scratch}/upper ${scratch}/work ${root}`,
    ...plan.layers.map((layer) => `cp -R ${quote(layer)}/. ${scratch}/upper/`),
    `mount -t overlay overlay -o lowerdir=/,upperdir=${overlayPath(plan.rootDir)}/upper,workdir=${overlayPath(plan.rootDir)}/work ${root}`,
    `mount -t proc proc ${root}/proc`,
    `mount -t sysfs -o ro sysfs ${root}/sys`,
    `mount --rbind /dev ${root}/dev`,
    `mount -t tmpfs tmpfs ${root}/run`,
    `mount -t tmpfs -o mode=1777 tmpfs ${root}/tmp`,
    ...plan.mounts.flatMap((mount) => mountLines(mount, root)),
    `cd ${root}`,
    `exec chroot . ${enterCommand(plan)}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Parents before children, so that a volume inside a volume is not hidden. */
export function orderMounts(mounts: readonly Mount[]): Mount[] {
  return mounts.toSorted((a, b) => a.target.split("/").length - b.target.split("/").length);
}

function mountLines(mount: Mount, root: string): string[] {
  const target = `${root}${quote(mount.target)}`;
  const make = mount.kind === "directory" ? `mkdir -p ${target}` : `mkdir -p "$(dirname ${target})" && touch ${target}`;
  const bind = `mount --bind ${quote(mount.source)} ${target}`;
  return mount.readOnly ? [make, bind, `mount -o remount,bind,ro ${target}`] : [make, bind];
}

/** `chroot` starts in "/", so a second shell changes to the working directory; it is replaced by the program. */
function enterCommand(plan: ContainerPlan): string {
  const variables = Object.entries(plan.env).map(([name, value]) => quote(`${name}=${value}`));
  const inner = `cd ${quote(plan.workingDir)} && exec "$@"`;
  return ["env", "-i", ...variables, "sh", "-c", quote(inner), "sh", ...plan.command.map(quote)].join(" ");
}

/** One word for a POSIX shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Overlay options use colon, comma and backslash themselves. Documentation/filesystems/overlayfs.rst */
function overlayPath(path: string): string {
  return quote(path.replace(/[\\:,]/g, (character) => `\\${character}`));
}
