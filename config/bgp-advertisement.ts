import { z } from "zod";
import { looksLikeCommunity, parseCommunity } from "./community-value.ts";
import { conditionStatus } from "./condition.ts";
import { type CustomObject, type CustomResource, metallbResource } from "./resource.ts";
import { distinctList, type KindDescription, rule } from "./schema.ts";
import { selectorList } from "./selector.ts";

const WHOLE_ADDRESS = { ipv4: 32, ipv6: 128 } as const;

const communityOrAlias = z.string().superRefine((text, context) => {
  if (!looksLikeCommunity(text)) return;
  const parsed = parseCommunity(text);
  if (parsed.kind === "invalid") context.addIssue({ code: "custom", message: parsed.why });
});

const EXCLUSIVE =
  "serviceSelectors and an aggregation length are mutually exclusive: one prefix can't be announced for some of its Services only";

const spec = z
  .object({
    aggregationLength: z
      .int32()
      .min(1)
      .max(WHOLE_ADDRESS.ipv4)
      .default(WHOLE_ADDRESS.ipv4)
      .describe("Length of the IPv4 prefixes announced; 32 announces every address by itself."),
    aggregationLengthV6: z
      .int32()
      .min(1)
      .max(WHOLE_ADDRESS.ipv6)
      .default(WHOLE_ADDRESS.ipv6)
      .describe("Length of the IPv6 prefixes announced; 128 announces every address by itself."),
    localPref: z.uint32().default(0).describe("LOCAL_PREF sent to internal peers; 0 leaves the usual 100."),
    communities: distinctList(
      communityOrAlias,
      "community",
      "Communities sent with the prefixes: A:B, large:A:B:C, or a name from a Community.",
    ),
    ipAddressPools: distinctList(
      z.string(),
      "pool",
      "Names of the pools whose addresses are announced. With no name and no selector: all pools.",
    ),
    ipAddressPoolSelectors: selectorList("Pools whose labels match, in addition to those named."),
    nodeSelectors: selectorList("Nodes that announce. None: all nodes."),
    peers: distinctList(z.string(), "peer", "Names of the BGPPeers to announce to. None: all of them."),
    serviceSelectors: selectorList("Only Services whose labels match are announced. None: all Services."),
  })
  .meta(
    rule(
      "!has(self.serviceSelectors) || size(self.serviceSelectors) == 0 || ((!has(self.aggregationLength) || self.aggregationLength == 32) && (!has(self.aggregationLengthV6) || self.aggregationLengthV6 == 128))",
      EXCLUSIVE,
    ),
  )
  .superRefine((advert, context) => {
    if (advert.serviceSelectors.length === 0) return;
    const lengths = [
      ["aggregationLength", WHOLE_ADDRESS.ipv4],
      ["aggregationLengthV6", WHOLE_ADDRESS.ipv6],
    ] as const;
    for (const [field, whole] of lengths) {
      if (advert[field] === whole) continue;
      context.addIssue({ code: "custom", path: [field], message: `${EXCLUSIVE}; remove one of the two` });
    }
  })
  .prefault({});

export const BGP_ADVERTISEMENT: KindDescription<typeof spec> = {
  description: "Announces addresses of pools to BGP peers.",
  spec,
  status: conditionStatus,
  columns: [
    { name: "IPAddressPools", type: "string", jsonPath: ".spec.ipAddressPools" },
    { name: "IPAddressPool Selectors", type: "string", jsonPath: ".spec.ipAddressPoolSelectors" },
    { name: "Peers", type: "string", jsonPath: ".spec.peers" },
    { name: "Node Selectors", type: "string", jsonPath: ".spec.nodeSelectors", priority: 10 },
  ],
};

export interface BGPAdvertisement extends Omit<CustomObject<unknown, z.output<typeof conditionStatus>>, "spec"> {
  readonly spec?: z.input<typeof spec>;
}

export const BGP_ADVERTISEMENTS: CustomResource<BGPAdvertisement> = metallbResource(
  "BGPAdvertisement",
  "bgpadvertisements",
);
