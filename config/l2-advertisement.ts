import { z } from "zod";
import { conditionStatus } from "./condition.ts";
import { canName } from "./interface-entry.ts";
import { type CustomObject, type CustomResource, metallbResource } from "./resource.ts";
import { distinctList, type KindDescription } from "./schema.ts";
import { labelSelector, selectorList } from "./selector.ts";

const interfaceEntry = z
  .string()
  .min(1, { error: "the name is empty; write an interface's name, such as eth0" })
  .superRefine((entry, context) => {
    if (canName(entry)) return;
    const message = "it is no regular expression between slashes; write one such as /^eth[0-9]+$/, or a name";
    context.addIssue({ code: "custom", message });
  });

const spec = z
  .object({
    ipAddressPools: distinctList(
      z.string(),
      "pool",
      "Names of the pools whose addresses are announced. With no name and no selector: all pools.",
    ),
    ipAddressPoolSelectors: selectorList("Pools whose labels match, in addition to those named."),
    nodeSelectors: selectorList("Nodes that may announce. None: all nodes."),
    interfaces: distinctList(
      interfaceEntry,
      "interface",
      "Host interfaces to announce on: exact names, and regular expressions between slashes. None: all interfaces.",
    ),
    serviceSelectors: selectorList("Only Services whose labels match are announced. None: all Services."),
    preferredNodeSelectors: z
      .array(
        z.object({
          weight: z.int32().min(1).max(100).describe("Added to the node's score when the preference matches."),
          preference: labelSelector.describe("The nodes preferred."),
        }),
      )
      .default([])
      .describe("Among the nodes that may announce, prefer those with the highest sum of weights."),
  })
  // An advertisement without a spec announces everything, and many clusters have exactly that one.
  .prefault({});

export const L2_ADVERTISEMENT: KindDescription<typeof spec> = {
  description: "Announces addresses of pools on the local network, by ARP and NDP.",
  spec,
  status: conditionStatus,
  columns: [
    { name: "IPAddressPools", type: "string", jsonPath: ".spec.ipAddressPools" },
    { name: "IPAddressPool Selectors", type: "string", jsonPath: ".spec.ipAddressPoolSelectors" },
    { name: "Interfaces", type: "string", jsonPath: ".spec.interfaces" },
    { name: "Node Selectors", type: "string", jsonPath: ".spec.nodeSelectors", priority: 10 },
  ],
};

export interface L2Advertisement extends Omit<CustomObject<unknown, z.output<typeof conditionStatus>>, "spec"> {
  readonly spec?: z.input<typeof spec>;
}

export const L2_ADVERTISEMENTS: CustomResource<L2Advertisement> = metallbResource(
  "L2Advertisement",
  "l2advertisements",
);
