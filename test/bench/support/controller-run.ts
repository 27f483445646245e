import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { IP_ADDRESS_POOLS } from "../../../config/mod.ts";
import { silentLog } from "../../../core/mod.ts";
import { createKubeClient, type KubeClient, SERVICES, startInformer, type V1Service } from "../../../kube/mod.ts";
import { type ApiServer, kubeClientOf, startApiServer } from "../../../lab/api/mod.ts";
import { waitFor } from "../../support/wait.ts";

const ROOT = join(import.meta.dirname, "../../..");
const NAMESPACE = "ironbridge-system";
/** The first replica's; each other one has the next. */
const FIRST_PORT = 19_000 + Math.floor(Math.random() * 1000);

/** Controllers, each a process of its own, over an API server of this one that has one pool of 65,536 addresses. */
export class ControllerRun implements AsyncDisposable {
  readonly client: KubeClient;
  readonly #server: ApiServer;
  readonly #folder: string;
  readonly #stop = new AbortController();
  readonly #replicas: Replica[] = [];
  #given = 0;

  static async begin(): Promise<ControllerRun> {
    const folder = await mkdtemp(join(tmpdir(), "ironbridge-bench-"));
    const here = { host: "127.0.0.1", port: 0 };
    const server = await startApiServer({ listen: [here], crds: await crds(), log: silentLog() });
    const run = new ControllerRun(server, folder);
    await writeFile(run.#kubeconfig, kubeconfigOf(server));
    await run.client.create(IP_ADDRESS_POOLS, poolObject("a", "10.0.0.0/16"));
    await run.#count();
    return run;
  }

  constructor(server: ApiServer, folder: string) {
    this.client = kubeClientOf(server);
    this.#server = server;
    this.#folder = folder;
  }

  /** Services that show an address. */
  get given(): number {
    return this.#given;
  }

  /** Starts one more, and waits until it is ready. */
  async startReplica(): Promise<Replica> {
    const replica = new Replica(this.#kubeconfig, FIRST_PORT + this.#replicas.length);
    this.#replicas.push(replica);
    await waitFor("the controller", () => fetch(`${replica.url}/readyz`).then(({ ok }) => ok), { deadline: 20_000 });
    return replica;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#replicas.map((replica) => replica.end("SIGTERM")));
    await this.#server.close();
    await rm(this.#folder, { recursive: true });
  }

  get #kubeconfig(): string {
    return join(this.#folder, "kubeconfig");
  }

  async #count(): Promise<void> {
    const watcher = createKubeClient({ kubeconfig: this.#kubeconfig, userAgent: "bench" });
    const store = startInformer(watcher, SERVICES, { log: silentLog() }, this.#stop.signal);
    store.subscribe(({ before, after }) => {
      this.#given += Number(hasAddress(after)) - Number(hasAddress(before));
    });
    await store.whenSynced;
  }
}

/** A controller's process. */
export class Replica {
  readonly url: string;
  readonly #program: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(kubeconfig: string, port: number) {
    this.url = `http://127.0.0.1:${port}`;
    const flags = ["--kubeconfig", kubeconfig, "--namespace", NAMESPACE, "--log-level", "error"];
    const args = ["controller", ...flags, "--admin-address", `127.0.0.1:${port}`];
    this.#program = spawn(join(ROOT, "bin/ironbridge"), args, { stdio: ["ignore", "ignore", "inherit"] });
    this.#ended = new Promise((resolve) => this.#program.once("exit", resolve));
  }

  /**
   * Milliseconds of CPU used so far, in steps of 10.
   * @see proc_pid_stat(5): utime and stime, in ticks of 10 ms.
   */
  get cpu(): number {
    const fields = readFileSync(`/proc/${this.#program.pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  async metrics(): Promise<string> {
    return await (await fetch(`${this.url}/metrics`)).text();
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#program.kill(signal);
    await this.#ended;
  }
}

export function serviceObject(name: string): V1Service {
  return {
    metadata: { name, namespace: "default" },
    // There are fewer node ports than Services here.
    spec: {
      type: "LoadBalancer",
      allocateLoadBalancerNodePorts: false,
      ports: [{ port: 80 }],
      selector: { app: name },
    },
  };
}

export function poolObject(name: string, prefix: string) {
  return { metadata: { name, namespace: NAMESPACE }, spec: { addresses: [prefix] } };
}

function hasAddress(service: V1Service | undefined): boolean {
  return (service?.status?.loadBalancer?.ingress ?? []).length > 0;
}

async function crds(): Promise<object[]> {
  const folder = join(ROOT, "deploy/crds");
  return Promise.all((await readdir(folder)).map(async (file) => parse(await readFile(join(folder, file), "utf8"))));
}

function kubeconfigOf({ url }: ApiServer): string {
  const name = "bench";
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server: url } }],
    users: [{ name, user: {} }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}
