import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { IpFamilies } from "../../lab/address-plan.ts";
import { type LabHost, planTopology } from "../../lab/topology.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export const NODE_COUNT = 3;
export const DNS_ADDRESS = "10.96.0.10";
export const API_SERVICE_ADDRESS = "10.96.0.1";
export const API_PORT = 6443;

/** Files of this checkout that a cluster is made of. */
export const CHECKOUT = {
  root: ROOT,
  /** The programs of Kubernetes and of those Ironbridge is compared with. */
  bin: join(ROOT, "dist", "cluster", "bin"),
  /** Images as tar files. */
  images: join(ROOT, "dist", "cluster", "images"),
  kubectl: join(ROOT, "dist", "bin", "kubectl"),
  installManifest: join(ROOT, "deploy", "install.yaml"),
  ironbridgeImage: join(ROOT, "dist", "ironbridge.tar"),
} as const;

/** Where a cluster's addresses of one family come from. */
export interface AddressRanges {
  /** Of all pods. */
  readonly pods: string;
  /** Of Services' cluster IPs. */
  readonly services: string;
  /** Of load balancers, in the LAN. */
  readonly pool: string;
}

const IPV4: AddressRanges = { pods: "10.244.0.0/16", services: "10.96.0.0/16", pool: "192.168.1.100-192.168.1.150" };
/** For pods and Services as kind has them. */
const IPV6: AddressRanges = {
  pods: "fd00:10:244::/56",
  services: "fd00:10:96::/112",
  pool: "fd00:1::100-fd00:1::150",
};
const RANGES: Readonly<Record<IpFamilies, readonly AddressRanges[]>> = { ipv4: [IPV4], dual: [IPV4, IPV6] };

/** A machine of the cluster: a host of the LAN with a disk. */
export interface MachinePlan extends LabHost {
  /** What is below it appears at the same path inside the machine. */
  readonly disk: string;
}

export interface ClusterPlan {
  /** Distinguishes clusters on one computer: part of the names of their namespaces. */
  readonly tag: string;
  readonly directory: string;
  /** Ironbridge's image, a tar file. */
  readonly image: string;
  readonly ipFamilies: IpFamilies;
  /** One of each family, IPv4 first. */
  readonly ranges: readonly AddressRanges[];
  readonly lan: LabHost;
  readonly client: LabHost;
  /** The first one carries the control plane. */
  readonly nodes: readonly MachinePlan[];
  readonly controlPlane: MachinePlan;
  /** Certificates and keys. */
  readonly pki: string;
  /** For kubectl on this computer. */
  readonly kubeconfig: string;
  /** For programs inside the LAN. */
  readonly lanKubeconfig: string;
}

/** The addresses of a host, IPv4 first. */
export function addressesOf({ address, ipv6 }: LabHost): readonly string[] {
  return ipv6 === undefined ? [address] : [address, ipv6];
}

/** The names and places of a cluster, before anything is made. */
export function planCluster(
  options: Pick<ClusterPlan, "tag" | "directory" | "ipFamilies"> & { readonly image?: string },
): ClusterPlan {
  const directory = resolve(options.directory);
  const { tag, ipFamilies } = options;
  const { lan, client, nodes } = planTopology(tag, NODE_COUNT, ipFamilies);
  const machines = nodes.map((node) => ({ ...node, disk: join(directory, node.name) }));
  return {
    tag,
    directory,
    image: resolve(options.image ?? CHECKOUT.ironbridgeImage),
    ipFamilies,
    ranges: RANGES[ipFamilies],
    lan,
    client,
    nodes: machines,
    controlPlane: machines[0]!,
    pki: join(directory, "pki"),
    kubeconfig: join(directory, "kubeconfig"),
    lanKubeconfig: join(directory, "lan.kubeconfig"),
  };
}
