import { randomBytes } from "node:crypto";
import type { KubeClient, KubeObject, Resource, V1Node } from "../kube/mod.ts";
import { ownedByNode } from "./node-owner.ts";

/** Labels by which MetalLB's status objects are found. */
export const STATUS_LABEL = {
  node: "metallb.io/node",
  name: "metallb.io/service-name",
  namespace: "metallb.io/service-namespace",
} as const;

/** Milliseconds between two rounds, and after which one is made though nothing changed: others may delete our objects. */
export const STATUS_ROUND = { minInterval: 500, retryInterval: 5000, maxInterval: 300_000 } as const;

/** What makes the objects of one kind right. Those to create have no name yet. */
export interface StatusChange<T> {
  readonly create: readonly T[];
  readonly update: readonly T[];
  readonly remove: readonly T[];
}

/** Where the objects of one kind live, and what their names begin with: those of ServiceL2Status with `l2-`. */
export interface StatusHome<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly namespace: string;
  readonly prefix: string;
  /** The Node of the agent that writes them, with which they go; nothing is created while it is not known. */
  readonly owner: () => V1Node | undefined;
}

/** The labels and the part of the status that every kind has, of the object that `node` writes about a Service. */
export function statusBasics(key: string, node: string) {
  const [serviceNamespace = "", serviceName = ""] = key.split("/");
  const labels = {
    [STATUS_LABEL.node]: node,
    [STATUS_LABEL.name]: serviceName,
    [STATUS_LABEL.namespace]: serviceNamespace,
  };
  return { metadata: { labels }, status: { node, serviceName, serviceNamespace } };
}

/** Carries `change` out; what is created is named as the API server would from MetalLB's prefix. */
export async function applyStatusChange<T extends KubeObject & { readonly status?: object | undefined }>(
  client: KubeClient,
  { resource, namespace, prefix, owner }: StatusHome<T>,
  { create, update, remove }: StatusChange<T>,
): Promise<void> {
  for (const { metadata } of remove) {
    await client.delete(resource, { name: metadata?.name ?? "", namespace: metadata?.namespace ?? "" });
  }
  for (const object of update) await client.update(resource, object, "status");
  const owned = ownedByNode(owner());
  if (owned === undefined) return;
  for (const object of create) {
    const name = `${prefix}${randomBytes(4).toString("hex")}`;
    const metadata = { ...object.metadata, ...owned, namespace, name };
    const created = await client.create(resource, { ...object, metadata });
    await client.update(resource, { ...created, status: object.status }, "status");
  }
}
