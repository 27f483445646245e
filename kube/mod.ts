export {
  createKubeClient,
  type KubeClient,
  type ObjectName,
  type Patch,
  type Selectors,
  type WatchEvent,
} from "./client.ts";
export { type FakeKubeClient, fakeKubeClient } from "./fake-client.ts";
export { type InformerOptions, startInformer } from "./informer.ts";
export { serverOf } from "./kubeconfig.ts";
export { type ElectionOptions, fencedClient, LEASES, type Leadership, startElection, type V1Lease } from "./lease.ts";
export {
  type CoreV1Event,
  ENDPOINT_SLICES,
  EVENTS,
  type KubeObject,
  NAMESPACES,
  NODES,
  objectKey,
  PODS,
  type Resource,
  SECRETS,
  SERVICE_CIDRS,
  SERVICES,
  type V1EndpointSlice,
  type V1Namespace,
  type V1Node,
  type V1ObjectMeta,
  type V1Pod,
  type V1Secret,
  type V1Service,
  type V1ServiceCIDR,
  type Wire,
} from "./object.ts";
export { type ObjectCache, openObjectCache } from "./object-cache.ts";
export { refusalStatus, refusedByAnswer } from "./refusal.ts";
export { createReporter, type EventNote, fakeReporter, type Reporter } from "./report.ts";
export { type Change, type FakeStore, fakeStore, type Indexes, type Store } from "./store.ts";
