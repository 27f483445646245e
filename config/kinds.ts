import { BFD_PROFILE, BFD_PROFILES } from "./bfd-profile.ts";
import { BGP_ADVERTISEMENT, BGP_ADVERTISEMENTS } from "./bgp-advertisement.ts";
import { BGP_PEER, BGP_PEERS } from "./bgp-peer.ts";
import { COMMUNITIES, COMMUNITY } from "./community.ts";
import { CONFIGURATION_STATE, CONFIGURATION_STATES } from "./configuration-state.ts";
import { IP_ADDRESS_POOL, IP_ADDRESS_POOLS } from "./ip-address-pool.ts";
import { L2_ADVERTISEMENT, L2_ADVERTISEMENTS } from "./l2-advertisement.ts";
import type { CustomResource } from "./resource.ts";
import type { KindDescription } from "./schema.ts";
import { SERVICE_BGP_STATUS, SERVICE_BGP_STATUSES } from "./service-bgp-status.ts";
import { SERVICE_L2_STATUS, SERVICE_L2_STATUSES } from "./service-l2-status.ts";

/** Every kind there is, for the generators of CRDs and reference pages. */
export const KINDS: readonly { readonly resource: CustomResource<unknown>; readonly kind: KindDescription }[] = [
  { resource: IP_ADDRESS_POOLS, kind: IP_ADDRESS_POOL },
  { resource: L2_ADVERTISEMENTS, kind: L2_ADVERTISEMENT },
  { resource: BGP_PEERS, kind: BGP_PEER },
  { resource: BGP_ADVERTISEMENTS, kind: BGP_ADVERTISEMENT },
  { resource: BFD_PROFILES, kind: BFD_PROFILE },
  { resource: COMMUNITIES, kind: COMMUNITY },
  { resource: SERVICE_L2_STATUSES, kind: SERVICE_L2_STATUS },
  { resource: SERVICE_BGP_STATUSES, kind: SERVICE_BGP_STATUS },
  { resource: CONFIGURATION_STATES, kind: CONFIGURATION_STATE },
];
