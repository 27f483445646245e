import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildImage } from "../../tools/image/mod.ts";

/** Megabytes of 1,000,000 octets, compressed. */
const SIZE_LIMIT = 130;

const root = resolve(import.meta.dirname, "../..");
let directory: string;
let image: Awaited<ReturnType<typeof build>>;

/** From nothing: Debian's packages are fetched and every layer compressed anew. */
function build(name: string) {
  return buildImage({
    root,
    out: join(directory, `${name}.tar`),
    cache: join(directory, `${name}-cache`),
    name: "docker.io/ironbridge/ironbridge:test",
    created: 0,
  });
}

/** Runs a command in the image: read-only but for /tmp and /run, no network, nothing of this machine's environment. */
function inImage(script: string, { user = 0 } = {}) {
  const mounts = [
    'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"',
    'mount --rbind /dev "$0/dev"',
    'mount -t proc proc "$0/proc" && mount -t tmpfs tmpfs "$0/tmp" && mount -t tmpfs tmpfs "$0/run"',
    'exec chroot --userspec="$1:$1" "$0" /bin/sh -c "$2"',
  ].join(" && ");
  const args = ["--net", "--mount", "sh", "-c", mounts, join(directory, "root"), String(user), script];
  const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
  const { status, stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8", env, timeout: 20_000 });
  return { status, stdout, stderr };
}

/** A script for Node in the image, which finds koffi and the worker as the programs do. */
function nodeScript(code: string): string {
  return `cd /opt/ironbridge && exec node --input-type=module -e '${code}'`;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "ib-img-"));
  image = await build("first");
  mkdirSync(join(directory, "root"));
  const archive = join(directory, "first.tar");
  for (const { digest } of image.image.layers) {
    const layer = execFileSync("tar", ["-xOf", archive, `blobs/${digest.replace(":", "/")}`], { maxBuffer: 2 ** 28 });
    execFileSync("tar", ["-xzf", "-", "-C", join(directory, "root")], { input: layer });
  }
}, 300_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("the image", () => {
  test("has the same digest when it is built again from nothing", { timeout: 300_000 }, async () => {
    const again = await build("second");
    expect(again.image).toEqual(image.image);
    expect(again.sbom).toEqual(image.sbom);
    const [first, second] = ["first", "second"].map((name) => readFileSync(join(directory, `${name}.tar`)));
    expect(first!.equals(second!)).toBe(true);
  });

  test(`is smaller than ${SIZE_LIMIT} MB, with little in the layer that changes most`, () => {
    const sizes = image.image.layers.map(({ size }) => size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(SIZE_LIMIT * 1e6);
    expect(sizes.at(-1)).toBeLessThan(3e6);
  });

  test("can be read by any user, but for root's home", () => {
    const text = execFileSync("find", [join(directory, "root"), "!", "-type", "l", "!", "-perm", "-o+r"]).toString();
    expect(text).toBe(`${join(directory, "root/root")}\n`);
  });

  test("has no device, socket or set-user-ID program", () => {
    const kinds = "-type b -o -type c -o -type p -o -type s -o -perm -u+s -o -type f -perm -g+s".split(" ");
    expect(execFileSync("find", [join(directory, "root"), ...kinds]).toString()).toBe("");
  });

  test("runs ironbridge, as root and as nobody, on a read-only root", () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(inImage("ironbridge --version")).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
    for (const user of [0, 65532]) {
      for (const command of ["agent", "controller"]) {
        const { status, stdout, stderr } = inImage(`ironbridge ${command} --help`, { user });
        expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
        expect(stdout).toContain(`ironbridge ${command} [options]`);
      }
    }
  });

  test("fails with a message of its own when it is not told where the cluster is", () => {
    const { status, stderr } = inImage("ironbridge agent --node a --kubeconfig /nowhere");
    expect(status).not.toBe(0);
    expect(stderr).toContain("IB_OPTION_INVALID");
  });

  test("has libnftables, which works through koffi", () => {
    const code = `
      import koffi from "koffi";
      const library = koffi.load("libnftables.so.1");
      const context = library.func("void *nft_ctx_new(uint32_t)")(0);
      process.exitCode = library.func("int nft_run_cmd_from_buffer(void *, const char *)")(context, "add table ip a; list ruleset");
    `;
    const { status, stderr } = inImage(`${nodeScript(code)} && nft list ruleset`);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  test("has nft, iptables of both variants, modprobe and a shell", () => {
    const programs =
      "iptables-nft-restore iptables-legacy-restore ip6tables-nft-restore ip6tables-legacy-restore nft modprobe";
    const { status, stdout } = inImage(`for p in ${programs}; do $p --version </dev/null || exit 1; done`);
    expect(status).toBe(0);
    expect(stdout).toMatch(/\(nf_tables\)[\s\S]*\(legacy\)/);
    expect(inImage("nft add table ip a && nft list tables").stdout).toBe("table ip a\n");
    expect(inImage("iptables-nft -t nat -A POSTROUTING -j MASQUERADE --random-fully").status).toBe(0);
  });

  test("has the speaker's thread, which starts", () => {
    const code = `
      import { Worker } from "node:worker_threads";
      const workerData = { node: "a", port: 7475, key: new Uint8Array(32) };
      const worker = new Worker("/opt/ironbridge/speaker/l2/worker.js", { workerData, execArgv: [] });
      worker.once("error", (error) => { console.error(error); process.exit(1); });
      worker.once("message", () => worker.postMessage({ kind: "leave" }));
    `;
    const { status, stderr } = inImage(nodeScript(code));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  test("has the plugin as a static program", () => {
    expect(inImage("CNI_COMMAND=VERSION /opt/ironbridge/dist/ironbridge-cni </dev/null").stdout).toContain(
      "cniVersion",
    );
    // A dynamic program names its loader.
    expect(readFileSync(join(directory, "root/opt/ironbridge/dist/ironbridge-cni")).includes("/ld-linux")).toBe(false);
  });
});
