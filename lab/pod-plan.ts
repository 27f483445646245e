import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { V1Pod } from "../kube/mod.ts";
import { CLUSTER_DOMAIN, DNS_SERVICE_ADDRESS } from "./address-plan.ts";
import type { ContainerPlan } from "./container-script.ts";
import type { Image } from "./image.ts";
import { containerEnv, expandVariables, type PodAddresses, type PodObjects } from "./pod-env.ts";
import { containerMounts, type VolumePaths } from "./pod-volume.ts";
import type { V1Container } from "./resource.ts";

/** What a pod has on its node. */
export interface PodSurroundings extends PodAddresses {
  readonly nodeName: string;
  readonly netnsPath: string;
  /** Where the pod's files and the roots of its containers are. */
  readonly directory: string;
  readonly logFile: string;
  readonly volumes: VolumePaths;
  readonly objects: PodObjects;
}

/** The files every container of the pod sees in /etc, by name. */
const POD_FILES = ["hosts", "resolv.conf", "hostname"] as const;

/**
 * All that is needed to start one container. Pure.
 * @throws {IronbridgeError} IB_CONFIG_INVALID when the pod names something that does not exist
 */
export function planContainer(pod: V1Pod, spec: V1Container, image: Image, around: PodSurroundings): ContainerPlan {
  const env = containerEnv(pod, spec, around.objects, around);
  const expand = (words: readonly string[]) => words.map((word) => expandVariables(word, env));
  // A command replaces the image's; arguments alone are given to the image's program.
  const program = spec.command ? expand(spec.command) : image.command.slice(0, spec.args ? 1 : undefined);
  const podFiles = POD_FILES.map((name) => ({
    source: join(around.directory, name),
    target: `/etc/${name}`,
    readOnly: false,
    kind: "file" as const,
  }));
  return {
    rootDir: join(around.directory, "root", spec.name),
    netnsPath: around.netnsPath,
    hostname: hostnameOf(pod, around.nodeName),
    command: [...program, ...expand(spec.args ?? [])],
    env,
    workingDir: spec.workingDir ?? "/",
    layers: image.layers,
    mounts: [...podFiles, ...containerMounts(pod, spec, around.volumes)],
    logFile: around.logFile,
  };
}

/** Writes the pod's own hosts, resolv.conf and hostname. */
export async function writePodFiles(pod: V1Pod, nodeName: string, podIP: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  const texts = podFileTexts(pod, hostnameOf(pod, nodeName), podIP);
  await Promise.all(POD_FILES.map((name) => writeFile(join(directory, name), `${texts[name].join("\n")}\n`)));
}

function podFileTexts(pod: V1Pod, hostname: string, podIP: string): Record<(typeof POD_FILES)[number], string[]> {
  const namespace = pod.metadata?.namespace ?? "";
  const search = [`${namespace}.svc.${CLUSTER_DOMAIN}`, `svc.${CLUSTER_DOMAIN}`, CLUSTER_DOMAIN].join(" ");
  const aliases = (pod.spec?.hostAliases ?? []).map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join("\t")}`);
  return {
    hosts: ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", `${podIP}\t${hostname}`, ...aliases],
    "resolv.conf": [`nameserver ${DNS_SERVICE_ADDRESS}`, `search ${search}`, "options ndots:5"],
    hostname: [hostname],
  };
}

function hostnameOf(pod: V1Pod, nodeName: string): string {
  if (pod.spec?.hostNetwork === true) return nodeName;
  return (pod.spec?.hostname ?? pod.metadata?.name ?? "").slice(0, 63);
}
