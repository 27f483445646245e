export {
  ANNOTATION,
  type Annotation,
  annotationKey,
  annotationOf,
  legacyAnnotationKey,
  legacyAnnotations,
} from "./annotations.ts";
export { crdOf } from "./crd.ts";
export { IP_ADDRESS_POOLS, type IPAddressPool } from "./ip-address-pool.ts";
export { KINDS } from "./kinds.ts";
export { L2_ADVERTISEMENTS, type L2Advertisement } from "./l2-advertisement.ts";
export { advertisementsOf, isBuggyAddress, poolOf } from "./lookup.ts";
export type { Config, L2Advert, Pool, PreferredNodes, Problem, ServiceAllocation } from "./model.ts";
export { type Flag, flagsOf } from "./option.ts";
export {
  AGENT_OPTIONS,
  AGENT_PARTS,
  type AgentOptions,
  type AgentPart,
  API_SERVER_OPTIONS,
  type ApiServerOptions,
  CONTROLLER_OPTIONS,
  type ControllerOptions,
  type ListenAddress,
  MEMBERS_SECRET,
  PROXY_MODES,
  type ProxyMode,
  readAgentOptions,
  readApiServerOptions,
  readControllerOptions,
} from "./options.ts";
export { type ConfigObjects, resolveConfig } from "./resolve.ts";
export { byAge, type CustomObject, type CustomResource, compareText, type ObjectMeta } from "./resource.ts";
export { type LabelSelector, type Labels, matchesAny, matchesSelector } from "./selector.ts";
