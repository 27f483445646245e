import type { V1Node, V1ObjectMeta } from "../kube/mod.ts";

type OwnerReferences = NonNullable<V1ObjectMeta["ownerReferences"]>;

/** Has Kubernetes remove an object together with the node whose agent wrote it. Undefined while the Node is not known. */
export function ownedByNode(node: V1Node | undefined): { readonly ownerReferences: OwnerReferences } | undefined {
  const { name, uid } = node?.metadata ?? {};
  if (name === undefined || uid === undefined) return undefined;
  return { ownerReferences: [{ apiVersion: "v1", kind: "Node", name, uid }] };
}
