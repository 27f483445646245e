import { rm } from "node:fs/promises";
import { join } from "node:path";
import { explainError, IronbridgeError, type Runner, startRunner } from "../core/mod.ts";
import { objectKey, PODS, refusalStatus, type V1Pod } from "../kube/mod.ts";
import { type Cluster, nameOf, siblingKey } from "./cluster.ts";
import { ContainerRun } from "./container-run.ts";
import type { ContainerPlan } from "./container-script.ts";
import { findImage, IMAGE_NAMES } from "./image.ts";
import type { PodObjects } from "./pod-env.ts";
import { planContainer, writePodFiles } from "./pod-plan.ts";
import { podStatus } from "./pod-status.ts";
import { makeVolumes, type VolumePaths } from "./pod-volume.ts";
import type { V1Container } from "./resource.ts";
import { createSandbox, type Sandbox, type SandboxOptions } from "./sandbox.ts";

export interface PodWorkerOptions extends SandboxOptions {
  readonly cluster: Cluster;
  /** Volumes, logs and roots of this node's pods are below. */
  readonly podsDir: string;
}

/** After a failed attempt to set a pod up. Milliseconds. */
const RETRY_INTERVAL = 1_000;
const HOUR = 3_600_000;
const DEFAULT_GRACE_SECONDS = 30;

/** Where the output of a container goes: what `kubectl logs` shows. */
export function containerLogFile(podsDir: string, podUid: string, container: string): string {
  return join(podsDir, podUid, `${container}.log`);
}

/**
 * Runs one pod, from the sandbox to its removal: looks at what the API server wants and what is running, and does the
 * next thing. A kubelet has one for each of its pods.
 */
export class PodWorker {
  readonly done: Promise<void>;
  readonly #options: PodWorkerOptions;
  readonly #key: string;
  readonly #uid: string;
  readonly #directory: string;
  readonly #startTime = new Date().toISOString();
  readonly #runner: Runner;
  readonly #finished = new AbortController();
  readonly #initRuns: readonly ContainerRun[];
  readonly #runs: readonly ContainerRun[];
  /** The pod as last seen: also needed after the API server has forgotten it. */
  #pod: V1Pod;
  #sandbox: Sandbox | undefined;
  #volumes: VolumePaths | undefined;
  #writtenStatus = "";

  constructor(pod: V1Pod, options: PodWorkerOptions) {
    this.#options = options;
    this.#pod = pod;
    this.#key = objectKey(pod);
    this.#uid = pod.metadata?.uid ?? "";
    this.#directory = join(options.podsDir, this.#uid);
    const run = (spec: V1Container) =>
      new ContainerRun({ spec, nodeNetns: options.node.netns, log: options.cluster.log, onChange: () => this.poke() });
    this.#initRuns = (pod.spec?.initContainers ?? []).map(run);
    this.#runs = (pod.spec?.containers ?? []).map(run);
    const onError = (error: unknown) => {
      options.cluster.log.warn(
        { event: "lab.pod.retry", pod: this.#key, error: explainError(error) },
        "pod sync failed",
      );
    };
    const intervals = { minInterval: 1, retryInterval: RETRY_INTERVAL, maxInterval: HOUR };
    this.#runner = startRunner(() => this.#sync(), { ...intervals, onError }, this.#finished.signal);
    this.done = this.#runner.done;
  }

  /** Says that the pod's object or one of its containers changed. */
  poke(): void {
    this.#runner.poke();
    // A deletion without grace must not wait for the graceful stop that is under way.
    if (this.#wanted() === undefined) for (const run of this.#allRuns()) void run.stop(0);
  }

  /** Ends the pod without telling anybody: for the end of the lab. */
  async kill(): Promise<void> {
    this.#finished.abort();
    await Promise.all(this.#allRuns().map((run) => run.stop(0)));
  }

  async #sync(): Promise<void> {
    const pod = this.#wanted();
    this.#pod = pod ?? this.#pod;
    if (pod === undefined || pod.metadata?.deletionTimestamp !== undefined) return this.#terminate(pod);
    try {
      this.#sandbox ??= await this.#makeSandbox();
      this.#volumes ??= await this.#makeVolumes();
      await this.#startContainers(pod, this.#sandbox, this.#volumes);
    } finally {
      await this.#writeStatus();
    }
  }

  /** The pod the API server knows, unless it is another one of the same name. */
  #wanted(): V1Pod | undefined {
    const pod = this.#options.cluster.pods.get(this.#key);
    return pod?.metadata?.uid === this.#uid ? pod : undefined;
  }

  #allRuns(): readonly ContainerRun[] {
    return [...this.#initRuns, ...this.#runs];
  }

  async #makeSandbox(): Promise<Sandbox> {
    try {
      const sandbox = await createSandbox(this.#pod, this.#options);
      const [podIP = ""] = sandbox.addresses;
      await writePodFiles(this.#pod, this.#options.node.name, podIP, this.#directory);
      return sandbox;
    } catch (error) {
      this.#warn("FailedCreatePodSandBox", `Failed to create pod sandbox: ${explainError(error)}`);
      throw error;
    }
  }

  async #makeVolumes(): Promise<VolumePaths> {
    try {
      return await makeVolumes(this.#pod, this.#objects(), join(this.#directory, "volumes"));
    } catch (error) {
      this.#warn("FailedMount", `MountVolume.SetUp failed: ${explainError(error)}`);
      throw error;
    }
  }

  /** Init containers one after the other, then all others at once. */
  async #startContainers(pod: V1Pod, sandbox: Sandbox, volumes: VolumePaths): Promise<void> {
    const policy = pod.spec?.restartPolicy ?? "Always";
    for (const run of this.#initRuns) {
      if (run.exitCode === 0) continue;
      const mayRun = run.exitCode === undefined || policy !== "Never";
      if (!run.running && mayRun && run.mayStart()) await this.#startContainer(run, sandbox, volumes);
      return;
    }
    for (const run of this.#runs) {
      const mayRun =
        run.exitCode === undefined || policy === "Always" || (policy === "OnFailure" && run.exitCode !== 0);
      if (!run.running && mayRun && run.mayStart()) await this.#startContainer(run, sandbox, volumes);
    }
  }

  async #startContainer(run: ContainerRun, sandbox: Sandbox, volumes: VolumePaths): Promise<void> {
    const { spec } = run;
    const image = findImage(spec.image ?? "", spec.command);
    if (image === undefined) {
      const known = `the lab has ${IMAGE_NAMES.join(", ")}, and any image for which the pod names a command`;
      run.wait("ErrImagePull", `image "${spec.image}" is unknown: ${known}`);
      this.#warn("Failed", `Failed to pull image "${spec.image}": ${known}`);
      return;
    }
    const restart = run.exitCode !== undefined;
    const [podIP = ""] = sandbox.addresses;
    let plan: ContainerPlan;
    try {
      plan = planContainer(this.#pod, spec, image, {
        nodeName: this.#options.node.name,
        hostIP: this.#options.node.address,
        podIP,
        netnsPath: sandbox.netnsPath,
        directory: this.#directory,
        logFile: containerLogFile(this.#options.podsDir, this.#uid, spec.name),
        volumes,
        objects: this.#objects(),
      });
    } catch (error) {
      if (!(error instanceof IronbridgeError)) throw error;
      run.wait("CreateContainerConfigError", error.message);
      this.#warn("Failed", `Error: ${error.message}`);
      throw error;
    }
    run.start(plan, podIP);
    if (!restart) this.#note("Pulled", `Container image "${spec.image}" is already present on this machine`);
    this.#note("Started", `Started container ${spec.name}`);
  }

  /** Stops the containers, gives the network back, and only then lets the API server forget the pod. */
  async #terminate(pod: V1Pod | undefined): Promise<void> {
    const graceSeconds = pod === undefined ? 0 : (pod.metadata?.deletionGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS);
    if (this.#runs.some((run) => run.running)) this.#note("Killing", "Stopping containers");
    await Promise.all(this.#allRuns().map((run) => run.stop(graceSeconds * 1000)));
    await this.#sandbox?.remove();
    this.#sandbox = undefined;
    await rm(this.#directory, { recursive: true, force: true });
    if (this.#wanted() !== undefined) {
      await this.#options.cluster.client.delete(PODS, nameOf(this.#pod), { gracePeriodSeconds: 0 });
    }
    this.#finished.abort();
  }

  async #writeStatus(): Promise<void> {
    const pod = this.#wanted();
    if (pod === undefined) return;
    const view = {
      hostIP: this.#options.node.address,
      podIPs: this.#sandbox?.addresses ?? [],
      initContainers: this.#initRuns.map((run) => run.view()),
      containers: this.#runs.map((run) => run.view()),
      startTime: this.#startTime,
    };
    const status = podStatus(pod, view, new Date().toISOString());
    const content = JSON.stringify(status, (key, value) => (key === "lastTransitionTime" ? undefined : value));
    if (content === this.#writtenStatus) return;
    try {
      await this.#options.cluster.client.patch(PODS, nameOf(pod), { kind: "merge", body: { status } }, "status");
      this.#writtenStatus = content;
    } catch (error) {
      if (refusalStatus(error) !== 404) throw error; // deleted meanwhile
    }
  }

  #objects(): PodObjects {
    const { cluster } = this.#options;
    return {
      configMap: (name) => cluster.configMaps.get(siblingKey(this.#pod, name)),
      secret: (name) => cluster.secrets.get(siblingKey(this.#pod, name)),
      services: cluster.services.byIndex("namespace", this.#pod.metadata?.namespace ?? ""),
    };
  }

  #note(reason: string, message: string): void {
    this.#options.cluster.reporter.event(PODS, this.#pod, { type: "Normal", reason, message });
  }

  #warn(reason: string, message: string): void {
    this.#options.cluster.reporter.event(PODS, this.#pod, { type: "Warning", reason, message });
  }
}
