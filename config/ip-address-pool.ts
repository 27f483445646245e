import { z } from "zod";
import { explainError, hasCode } from "../core/mod.ts";
import { parseRange, tryParseAddress } from "../net/mod.ts";
import { conditionList } from "./condition.ts";
import { type CustomObject, type CustomResource, metallbResource } from "./resource.ts";
import { distinctList, type KindDescription } from "./schema.ts";
import { selectorList } from "./selector.ts";

const addressRange = z.string().superRefine((text, context) => {
  const message = rangeComplaint(text);
  if (message !== undefined) context.addIssue({ code: "custom", message });
});

/** A range, or an address by itself. */
const addressOrRange = z.string().superRefine((text, context) => {
  const message = tryParseAddress(text.trim()) === undefined ? rangeComplaint(text) : undefined;
  if (message !== undefined) context.addIssue({ code: "custom", message });
});

const spec = z.object({
  addresses: z
    .array(addressRange)
    .min(1, { error: "the pool has no prefixes defined; list at least one prefix or range" })
    .describe("Address ranges of this pool, each a prefix (192.0.2.0/24) or first-last (192.0.2.10-192.0.2.20)."),
  excludes: z
    .array(addressOrRange)
    .default([])
    .describe(
      "Addresses of the ranges that are never given out, such as a gateway's: an address, a prefix or first-last.",
    ),
  reserveFirstAndLast: z
    .boolean()
    .default(false)
    .describe("True: the first and the last address of each prefix of more than two addresses are never given out."),
  autoAssign: z
    .boolean()
    .default(true)
    .describe("False: only Services that name the pool or one of its addresses get an address from it."),
  avoidBuggyIPs: z.boolean().default(false).describe("Never use IPv4 addresses that end in .0 or .255."),
  serviceAllocation: z
    .object({
      priority: z.int().default(0).describe("The pool with the lowest number is tried first; 0 comes last."),
      namespaces: distinctList(z.string(), "namespace", "Only Services of these namespaces."),
      namespaceSelectors: selectorList("Only Services of namespaces that one of these matches."),
      serviceSelectors: selectorList("Only Services that one of these matches."),
    })
    .optional()
    .describe("Limits the pool to some Services, and makes it preferred for them."),
});

const count = (description: string) => z.int().optional().meta({ format: "int64" }).describe(description);

const status = z
  .object({
    assignedIPv4: count("IPv4 addresses of the pool that Services hold."),
    assignedIPv6: count("IPv6 addresses of the pool that Services hold."),
    availableIPv4: count("IPv4 addresses of the pool that are free."),
    availableIPv6: count("IPv6 addresses of the pool that are free."),
    conditions: conditionList,
  })
  .optional();

export const IP_ADDRESS_POOL: KindDescription<typeof spec> = {
  description: "A pool of addresses for Services of type LoadBalancer.",
  spec,
  status,
  columns: [
    { name: "Auto Assign", type: "boolean", jsonPath: ".spec.autoAssign" },
    { name: "Avoid Buggy IPs", type: "boolean", jsonPath: ".spec.avoidBuggyIPs" },
    { name: "Addresses", type: "string", jsonPath: ".spec.addresses" },
  ],
};

export type IPAddressPool = CustomObject<z.input<typeof spec>, z.output<typeof status>>;

export const IP_ADDRESS_POOLS: CustomResource<IPAddressPool> = metallbResource("IPAddressPool", "ipaddresspools");

/** Why `text` can't be a range of a pool and what to write instead; undefined when it can. */
function rangeComplaint(text: string): string | undefined {
  if (tryParseAddress(text.trim()) !== undefined) {
    const bits = text.includes(":") ? 128 : 32;
    return `a single address needs its length; write ${text.trim()}/${bits}`;
  }
  try {
    parseRange(text);
    return undefined;
  } catch (error) {
    if (!hasCode(error, "IB_ADDRESS_INVALID")) throw error;
    const why = explainError(error).replace(JSON.stringify(text), "it");
    return `${why}; write a prefix (192.0.2.0/24) or first-last (192.0.2.10-192.0.2.20)`;
  }
}
