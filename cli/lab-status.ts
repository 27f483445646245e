import { IronbridgeError } from "../core/mod.ts";
import {
  createKubeClient,
  ENDPOINT_SLICES,
  type KubeClient,
  NODES,
  objectKey,
  SERVICES,
  type V1EndpointSlice,
  type V1Service,
} from "../kube/mod.ts";
import { findAnnouncer, findServePid, planTopology, readLabSettings } from "../lab/mod.ts";
import type { LabChoice } from "./lab-choice.ts";
import { printTable } from "./print-table.ts";

/** `ironbridge lab status`. */
export async function labStatus(choice: LabChoice): Promise<void> {
  const pid = await findServePid(choice.directory);
  if (pid === undefined) {
    throw new IronbridgeError("IB_LAB_FAILED", `no lab runs in ${choice.directory.path}`);
  }
  const client = labClient(choice);
  const settings = await readLabSettings(client);
  const { items: nodes } = await client.list(NODES);
  const ready = nodes.filter(({ status }) =>
    status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True"),
  );
  console.log(`lab of process ${pid}, proxy mode ${settings?.runningProxyMode ?? "not known yet"}`);
  console.log(`nodes ready: ${ready.length} of ${nodes.length}\n`);
  console.log(await addressTable(client, choice));
}

export function labClient({ directory }: LabChoice): KubeClient {
  return createKubeClient({ kubeconfig: directory.kubeconfig, userAgent: "ironbridge-lab" });
}

/** One line for each external address: the Service, the node whose MAC the client outside sees, the endpoints. */
export async function addressTable(client: KubeClient, { tag, nodes: count }: LabChoice): Promise<string> {
  const { client: outside, nodes } = planTopology(tag, count);
  const [{ items: services }, { items: slices }] = await Promise.all([
    client.list(SERVICES),
    client.list(ENDPOINT_SLICES),
  ]);
  const rows = services
    .filter(({ spec }) => spec?.type === "LoadBalancer")
    .flatMap((service) => externalAddresses(service).map((address) => ({ service, address })));
  const lines = await Promise.all(
    rows.map(async ({ service, address }) => [
      objectKey(service),
      address,
      (await findAnnouncer(outside, nodes, address)) ?? "(not asked yet)",
      endpointsOf(service, slices).join(" ") || "(none)",
    ]),
  );
  return printTable([["SERVICE", "ADDRESS", "ANNOUNCED BY", "ENDPOINTS"], ...lines]);
}

export function externalAddresses(service: V1Service): string[] {
  return (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
}

/** "node:address" of every ready endpoint. */
function endpointsOf(service: V1Service, slices: readonly V1EndpointSlice[]): string[] {
  return slices
    .filter(
      ({ metadata }) =>
        metadata?.namespace === service.metadata?.namespace &&
        metadata?.labels?.["kubernetes.io/service-name"] === service.metadata?.name,
    )
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .map(({ addresses, nodeName }) => `${nodeName ?? "?"}:${addresses[0]}`)
    .sort();
}
