export {
  ANNOTATION,
  type Annotation,
  annotationKey,
  annotationOf,
  legacyAnnotationKey,
  legacyAnnotations,
  OWN_ANNOTATION,
} from "./annotations.ts";
export { BFD_PROFILES, type BFDProfile } from "./bfd-profile.ts";
export { BGP_ADVERTISEMENTS, type BGPAdvertisement } from "./bgp-advertisement.ts";
export { BGP_PEERS, type BGPPeer, LONGEST_PASSWORD } from "./bgp-peer.ts";
export { COMMUNITIES, type Community } from "./community.ts";
export { type CommunityValue, parseCommunity, printCommunity } from "./community-value.ts";
export {
  type Condition,
  type ConditionNews,
  SESSION_CONDITION,
  VALID,
  ValidReason,
  withCondition,
} from "./condition.ts";
export {
  CONFIG_KINDS,
  CONFIG_LISTS,
  type ConfigList,
  type ConfigLists,
  type ConfigObjectOf,
  type ConfigObjects,
  configObjects,
} from "./config-objects.ts";
export {
  COMPONENT_LABEL,
  CONFIGURATION_STATES,
  type ConfigurationState,
  configurationStatus,
  NODE_LABEL,
} from "./configuration-state.ts";
export { crdOf } from "./crd.ts";
export { namesInterface } from "./interface-entry.ts";
export { IP_ADDRESS_POOLS, type IPAddressPool } from "./ip-address-pool.ts";
export { KINDS } from "./kinds.ts";
export { L2_ADVERTISEMENTS, type L2Advertisement } from "./l2-advertisement.ts";
export { advertisementsOf, bgpAdvertisementsOf, isBuggyAddress, poolOf } from "./lookup.ts";
export type {
  BfdSettings,
  BgpAdvert,
  BgpPeer,
  Config,
  L2Advert,
  Pool,
  Problem,
  Remark,
} from "./model.ts";
export { type Flag, flagsOf } from "./option.ts";
export {
  AGENT_OPTIONS,
  type AgentOptions,
  type AgentPart,
  API_SERVER_OPTIONS,
  type ApiServerOptions,
  CLEANUP_OPTIONS,
  type CleanupOptions,
  CONTROLLER_LEASE,
  CONTROLLER_OPTIONS,
  type ControllerOptions,
  MEMBERS_SECRET,
  PROXY_MODES,
  type ProxyMode,
  ROUTING_MODES,
  type RoutingMode,
  readAgentOptions,
  readApiServerOptions,
  readCleanupOptions,
  readControllerOptions,
  WEBHOOK_NAME,
} from "./options.ts";
export { resolveConfig } from "./resolve.ts";
export { byAge, type CustomResource, compareText, type ObjectMeta } from "./resource.ts";
export { type LabelSelector, type Labels, matchesAny, matchesSelector } from "./selector.ts";
export { SERVICE_BGP_STATUSES, type ServiceBGPStatus } from "./service-bgp-status.ts";
export { SERVICE_L2_STATUSES, type ServiceL2Status } from "./service-l2-status.ts";
