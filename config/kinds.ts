import { IP_ADDRESS_POOL, IP_ADDRESS_POOLS } from "./ip-address-pool.ts";
import { L2_ADVERTISEMENT, L2_ADVERTISEMENTS } from "./l2-advertisement.ts";
import type { CustomResource } from "./resource.ts";
import type { KindDescription } from "./schema.ts";

/** Every kind there is, for the generators of CRDs and reference pages. */
export const KINDS: readonly { readonly resource: CustomResource<unknown>; readonly kind: KindDescription }[] = [
  { resource: IP_ADDRESS_POOLS, kind: IP_ADDRESS_POOL },
  { resource: L2_ADVERTISEMENTS, kind: L2_ADVERTISEMENT },
];
