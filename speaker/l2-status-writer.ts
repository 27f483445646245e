import { randomBytes } from "node:crypto";
import { SERVICE_L2_STATUSES, type ServiceL2Status } from "../config/mod.ts";
import { explainError, type Log, startRunner } from "../core/mod.ts";
import type { KubeClient } from "../kube/mod.ts";

/** Services this node announces, and the interfaces they are limited to; none: all of them. */
export type Announced = ReadonlyMap<string, readonly string[]>;

export interface L2StatusWriterOptions {
  readonly client: KubeClient;
  /** Where the objects live. */
  readonly namespace: string;
  readonly node: string;
  readonly announced: () => Announced;
  readonly log: Log;
}

const LABEL = {
  node: "metallb.io/node",
  name: "metallb.io/service-name",
  namespace: "metallb.io/service-namespace",
} as const;

/** Milliseconds between two rounds, and after which one is made though nothing changed: others may delete our objects. */
const ROUND = { minInterval: 500, retryInterval: 5000, maxInterval: 300_000 } as const;

/** Keeps one ServiceL2Status for each Service this node announces, as MetalLB's speakers do. */
export function startL2StatusWriter(options: L2StatusWriterOptions, signal: AbortSignal): { poke(): void } {
  const { client, namespace, announced, log, node } = options;
  const round = async () => {
    const { items } = await client.list(SERVICE_L2_STATUSES, { namespace });
    const change = statusChange(items, announced(), node);
    for (const object of change.remove) await client.delete(SERVICE_L2_STATUSES, nameOf(object));
    for (const object of change.update) await client.update(SERVICE_L2_STATUSES, object, "status");
    for (const object of change.create) {
      const created = await client.create(SERVICE_L2_STATUSES, inNamespace(object, namespace));
      await client.update(SERVICE_L2_STATUSES, { ...created, status: object.status }, "status");
    }
  };
  const onError = (error: unknown) =>
    log.warn({ event: "speaker.status", reason: explainError(error) }, "could not write ServiceL2Status objects");
  return startRunner(round, { ...ROUND, onError }, signal);
}

/** What makes the objects say what this node announces. The announcer of a Service removes what others said of it. */
export function statusChange(objects: readonly ServiceL2Status[], announced: Announced, node: string) {
  const create = new Map([...announced].map(([key, names]) => [key, newStatus(key, names, node)]));
  const update: ServiceL2Status[] = [];
  const remove: ServiceL2Status[] = [];
  for (const object of objects) {
    const { serviceNamespace = "", serviceName = "", node: writer } = object.status ?? {};
    const fresh = create.get(`${serviceNamespace}/${serviceName}`);
    const mine = writer === undefined ? object.metadata?.labels?.[LABEL.node] === node : writer === node;
    const isAnnounced = announced.has(`${serviceNamespace}/${serviceName}`);
    if (mine && fresh !== undefined) {
      create.delete(`${serviceNamespace}/${serviceName}`);
      const same = JSON.stringify(object.status?.interfaces ?? []) === JSON.stringify(fresh.status?.interfaces ?? []);
      if (!same) update.push({ ...object, status: { ...object.status, interfaces: fresh.status?.interfaces } });
    } else if (mine || isAnnounced) {
      remove.push(object);
    }
  }
  return { create: [...create.values()], update, remove };
}

function newStatus(key: string, interfaces: readonly string[], node: string): ServiceL2Status {
  const [serviceNamespace = "", serviceName = ""] = key.split("/");
  const labels = { [LABEL.node]: node, [LABEL.name]: serviceName, [LABEL.namespace]: serviceNamespace };
  const status = { node, serviceName, serviceNamespace, interfaces: interfaces.map((name) => ({ name })) };
  return { metadata: { labels }, status };
}

/** Names as the API server would make them from MetalLB's prefix. */
function inNamespace({ metadata }: ServiceL2Status, namespace: string): ServiceL2Status {
  return { metadata: { ...metadata, namespace, name: `l2-${randomBytes(4).toString("hex")}` } };
}

function nameOf({ metadata }: ServiceL2Status): { name: string; namespace: string } {
  return { name: metadata?.name ?? "", namespace: metadata?.namespace ?? "" };
}
