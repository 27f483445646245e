import { trueOrFalse, wholeNumber } from "./proxy-options.ts";

const length = (family: string, fallback: number, most: number) =>
  ({
    placeholder: "length",
    help: `length of the ${family} prefix that a node gets by --allocate-node-cidrs`,
    fallback: String(fallback),
    read: (value: string) => wholeNumber(value, most) ?? { want: `a prefix length from 0 to ${most}` },
  }) as const;

/** How the controller gives pod prefixes to nodes. Names and defaults are kube-controller-manager's. */
export const NODE_CIDR_OPTIONS = {
  allocateNodeCidrs: {
    placeholder: "true|false",
    help: "give nodes that have no pod prefixes some of --cluster-cidr; for clusters where kube-controller-manager doesn't",
    fallback: "false",
    read: trueOrFalse,
  },
  nodeCidrMaskSizeIpv4: length("IPv4", 24, 32),
  nodeCidrMaskSizeIpv6: length("IPv6", 64, 128),
} as const;
