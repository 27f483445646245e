import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exec } from "../../../linux/mod.ts";
import { writeImage } from "../../../tools/image/mod.ts";
import { waitFor } from "../../support/wait.ts";
import type { CniNode } from "./cni-lab.ts";
import { type Cri, openCri } from "./cri.ts";

/** An image with Debian's busybox, for pods and for what runs in them. */
export const IMAGE = "ironbridge.test/busybox:1";
const BUSYBOX = "/usr/bin/busybox";

/** A containerd of a node's own: its files in one directory, its pods in the node's network. */
export class Containerd {
  readonly cri: Cri;
  readonly #directory: string;
  readonly #node: CniNode;
  #process: ChildProcess | undefined;

  constructor(directory: string, node: CniNode) {
    this.#directory = directory;
    this.#node = node;
    this.cri = openCri(this.#path("containerd.sock"));
  }

  /** Starts it, with the image, and waits until it can run pods. */
  async start(): Promise<void> {
    mkdirSync(this.#directory, { recursive: true });
    writeFileSync(this.#path("config.toml"), this.#config());
    const log = openSync(this.#path("log"), "a");
    // Not `ip netns exec`, which hides the cgroups.
    const args = [`--net=/run/netns/${this.#node.netns}`, "containerd", "--config", this.#path("config.toml")];
    this.#process = spawn("nsenter", args, { stdio: ["ignore", log, log] });
    this.#process.once("exit", (code, signal) => {
      if (signal !== "SIGKILL")
        throw new Error(`containerd ended by itself (${code ?? signal}):\n${this.#lastWords()}`);
    });
    await waitFor(`containerd; see ${this.#path("log")}`, () => this.#ctr("version").then(() => true), {
      deadline: 20_000,
    });
    if (!existsSync(this.#path("image.tar"))) await this.#importImage();
    await waitFor(`containerd to be ready; see ${this.#path("log")}`, () => this.cri.ready(), { deadline: 20_000 });
  }

  /** As the kernel's memory killer would. Its shims and the containers go on. */
  async kill(): Promise<void> {
    const running = this.#process;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGKILL");
    await gone;
  }

  /** The end of its log. */
  #lastWords(): string {
    return readFileSync(this.#path("log"), "utf8").slice(-4_000);
  }

  async #importImage(): Promise<void> {
    const layers = [
      [
        { to: "/bin/busybox", from: BUSYBOX, mode: 0o755 },
        { to: "/www/index.html", content: "a container\n" },
      ],
    ];
    const config = { Entrypoint: ["/bin/busybox"], Cmd: ["sleep", "1000000"] };
    const architecture = process.arch === "arm64" ? "arm64" : "amd64";
    await writeImage({ name: IMAGE, architecture, layers, config, out: this.#path("image.tar") });
    await this.#ctr("images", "import", this.#path("image.tar"));
  }

  #ctr(...args: readonly string[]): Promise<string> {
    return exec("ctr", ["--address", this.#path("containerd.sock"), "--namespace", "k8s.io", ...args]);
  }

  #config(): string {
    const { binDir, confDir } = this.#node.options;
    return `version = 2
root = "${this.#path("root")}"
state = "${this.#path("state")}"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "${this.#path("containerd.sock")}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${IMAGE}"
  # This computer may not let anybody lower the score.
  restrict_oom_score_adj = true
  disable_tcp_service = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${binDir}"
    conf_dir = "${confDir}"
`;
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}
