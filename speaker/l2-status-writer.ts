import { SERVICE_L2_STATUSES, type ServiceL2Status } from "../config/mod.ts";
import { explainError, type Log, startRunner } from "../core/mod.ts";
import type { KubeClient, V1Node } from "../kube/mod.ts";
import { applyStatusChange, STATUS_LABEL, STATUS_ROUND, type StatusChange, statusBasics } from "./service-status.ts";

/** Services this node announces, and the interfaces they are limited to; none: all of them. */
export type Announced = ReadonlyMap<string, readonly string[]>;

export interface L2StatusWriterOptions {
  readonly client: KubeClient;
  /** Where the objects live. */
  readonly namespace: string;
  readonly node: string;
  readonly ownNode: () => V1Node | undefined;
  readonly announced: () => Announced;
  readonly log: Log;
}

/** Keeps one ServiceL2Status for each Service this node announces, as MetalLB's speakers do. */
export function startL2StatusWriter(options: L2StatusWriterOptions, signal: AbortSignal): { poke(): void } {
  const { client, namespace, announced, log, node } = options;
  const home = { resource: SERVICE_L2_STATUSES, namespace, prefix: "l2-", owner: options.ownNode };
  const round = async () => {
    const { items } = await client.list(SERVICE_L2_STATUSES, { namespace });
    await applyStatusChange(client, home, statusChange(items, announced(), node));
  };
  const onError = (error: unknown) =>
    log.warn({ event: "speaker.status", reason: explainError(error) }, "could not write ServiceL2Status objects");
  return startRunner(round, { ...STATUS_ROUND, onError }, signal);
}

/** What makes the objects say what this node announces. The announcer of a Service removes what others said of it. */
export function statusChange(
  objects: readonly ServiceL2Status[],
  announced: Announced,
  node: string,
): StatusChange<ServiceL2Status> {
  const create = new Map([...announced].map(([key, names]) => [key, newStatus(key, names, node)]));
  const update: ServiceL2Status[] = [];
  const remove: ServiceL2Status[] = [];
  for (const object of objects) {
    const { serviceNamespace = "", serviceName = "", node: writer } = object.status ?? {};
    const fresh = create.get(`${serviceNamespace}/${serviceName}`);
    const mine = writer === undefined ? object.metadata?.labels?.[STATUS_LABEL.node] === node : writer === node;
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
  const { metadata, status } = statusBasics(key, node);
  return { metadata, status: { ...status, interfaces: interfaces.map((name) => ({ name })) } };
}
