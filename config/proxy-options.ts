import { hasCode } from "../core/mod.ts";
import { type Prefix, parsePrefix } from "../net/mod.ts";
import { parseDuration } from "./duration.ts";
import type { Refusal } from "./option.ts";

/** How pods are told from others, where it matters to Services. kube-proxy's detectLocalMode. */
const DETECT_LOCAL_MODES = ["cluster-cidr", "node-cidr", "bridge-interface", "interface-name-prefix"] as const;

/** Settings of the agent's proxy beside its mode. */
export const PROXY_OPTIONS = {
  detectLocalMode: {
    placeholder: DETECT_LOCAL_MODES.join("|"),
    help: "how pods are told from others: by --cluster-cidr, by the node's pod prefixes, or by --pod-interface",
    fallback: "cluster-cidr",
    read: (value: string) => DETECT_LOCAL_MODES.find((each) => each === value) ?? want(DETECT_LOCAL_MODES.join(", ")),
  },
  podInterface: {
    placeholder: "name",
    help: "the bridge that pods are on, or how the names of their links begin",
    read: (value: string) => (/^[^\s/]{1,15}$/.test(value) ? value : want("the name of a link, at most 15 characters")),
  },
  masqueradeAll: {
    placeholder: "true|false",
    help: "masquerade every connection to a cluster IP",
    fallback: "false",
    read: trueOrFalse,
  },
  masqueradeBit: {
    placeholder: "number",
    help: "bit of the packet mark that says what to masquerade, 0 to 31",
    fallback: "14",
    read: (value: string) => wholeNumber(value, 31) ?? want("a number from 0 to 31"),
  },
  nodePortAddresses: {
    placeholder: "list",
    help: "prefixes, separated by commas, of this node's addresses that have node ports; primary: those of its Node object",
    fallback: "primary",
    read: (value: string) => (value === "primary" ? [] : prefixes(value)),
  },
  serviceCidr: {
    placeholder: "list",
    help: "prefixes that cluster IPs are given from, if not the cluster's ServiceCIDRs; what goes to one that no Service has is dropped",
    fallback: "",
    read: prefixes,
  },
  healthzPort: {
    placeholder: "port",
    help: "TCP port of the node's health for load balancers, /healthz and /livez; 0: none",
    fallback: "10256",
    read: (value: string) => wholeNumber(value, 65_535) ?? want("a port from 0 to 65535"),
  },
  conntrackMaxPerCore: {
    placeholder: "number",
    help: "connections the kernel tracks for each CPU, if it tracks fewer; 0: as the node has it",
    fallback: "32768",
    read: connections,
  },
  conntrackMin: {
    placeholder: "number",
    help: "the least that --conntrack-max-per-core comes to on any node",
    fallback: "131072",
    read: connections,
  },
  conntrackTcpTimeoutEstablished: {
    placeholder: "duration",
    help: "an idle TCP connection is forgotten after that; 0: as the node has it",
    fallback: "24h",
    read: duration,
  },
  conntrackTcpTimeoutCloseWait: {
    placeholder: "duration",
    help: "a TCP connection that one end has closed is forgotten after that; 0: as the node has it",
    fallback: "1h",
    read: duration,
  },
  conntrackUdpTimeout: {
    placeholder: "duration",
    help: "a UDP flow without an answer is forgotten after that; 0: as the node has it",
    fallback: "0",
    read: duration,
  },
  conntrackUdpTimeoutStream: {
    placeholder: "duration",
    help: "a UDP flow that was answered is forgotten after that; 0: as the node has it",
    fallback: "0",
    read: duration,
  },
  conntrackTcpBeLiberal: {
    placeholder: "true|false",
    help: "packets outside of their connection's window are not taken for strangers",
    fallback: "false",
    read: trueOrFalse,
  },
} as const;

function want(text: string): Refusal {
  return { want: text };
}

export function trueOrFalse(value: string): boolean | Refusal {
  return value === "true" || value === "false" ? value === "true" : want("true or false");
}

/** More would not fit the memory of any node: one takes 300 octets. */
function connections(value: string): number | Refusal {
  return wholeNumber(value, 2 ** 24) ?? want("a number from 0 to 16777216");
}

/** Milliseconds. */
function duration(value: string): number | Refusal {
  return parseDuration(value) ?? want("a duration such as 90s, 24h or 0");
}

/** Undefined for what is no whole number from 0 to `most`. */
export function wholeNumber(value: string, most: number): number | undefined {
  return /^\d{1,8}$/.test(value) && Number(value) <= most ? Number(value) : undefined;
}

function prefixes(value: string): readonly Prefix[] | Refusal {
  const items = value.split(",").map((item) => item.trim());
  try {
    return items.filter((item) => item !== "").map(parsePrefix);
  } catch (error) {
    if (!hasCode(error, "IB_ADDRESS_INVALID")) throw error;
    return want("prefixes separated by commas, such as 10.96.0.0/16,fd00:96::/112");
  }
}
