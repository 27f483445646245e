import { PROXY_MODES, type ProxyMode, ROUTING_MODES, type RoutingMode } from "../../config/mod.ts";
import { IP_FAMILIES, type IpFamilies } from "../../lab/address-plan.ts";

/** The addresses of a cluster, and who does each of the three parts. Where it is not Ironbridge, its agent runs without that part. */
export interface Variant {
  /** Of Ironbridge, or else of kube-proxy. */
  readonly proxyMode: ProxyMode;
  /** How nodes reach each other's pods. */
  readonly routingMode: RoutingMode;
  readonly ipFamilies: IpFamilies;
  readonly serviceProxy: (typeof SERVICE_PROXIES)[number];
  readonly loadBalancer: (typeof LOAD_BALANCERS)[number];
  readonly cni: (typeof CNIS)[number];
}

const SERVICE_PROXIES = ["ironbridge", "kube-proxy"] as const;
const LOAD_BALANCERS = ["ironbridge", "metallb"] as const;
/** "reference" is the CNI project's own bridge and portmap plugins, with static routes between the nodes. */
const CNIS = ["ironbridge", "reference"] as const;

export const VARIANT_CHOICES = {
  "proxy-mode": PROXY_MODES,
  "routing-mode": ROUTING_MODES,
  "ip-families": IP_FAMILIES,
  "service-proxy": SERVICE_PROXIES,
  "load-balancer": LOAD_BALANCERS,
  cni: CNIS,
} as const;

export const IRONBRIDGE: Variant = {
  proxyMode: "nftables",
  routingMode: "direct",
  ipFamilies: "ipv4",
  serviceProxy: "ironbridge",
  loadBalancer: "ironbridge",
  cni: "ironbridge",
};

export const REFERENCE: Variant = {
  ...IRONBRIDGE,
  proxyMode: "iptables",
  serviceProxy: "kube-proxy",
  loadBalancer: "metallb",
  cni: "reference",
};

/** @throws {Error} for a value that is none of the choices, and for a tunnel without Ironbridge's pod network. */
export function parseVariant(values: Readonly<Record<string, string | undefined>>): Variant {
  const variant = {
    proxyMode: parseChoice("proxy-mode", values) ?? IRONBRIDGE.proxyMode,
    routingMode: parseChoice("routing-mode", values) ?? IRONBRIDGE.routingMode,
    ipFamilies: parseChoice("ip-families", values) ?? IRONBRIDGE.ipFamilies,
    serviceProxy: parseChoice("service-proxy", values) ?? IRONBRIDGE.serviceProxy,
    loadBalancer: parseChoice("load-balancer", values) ?? IRONBRIDGE.loadBalancer,
    cni: parseChoice("cni", values) ?? IRONBRIDGE.cni,
  };
  if (variant.cni === "reference" && variant.routingMode !== "direct") {
    throw new Error(
      `--routing-mode ${variant.routingMode}: --cni reference has static routes only; leave one of them out`,
    );
  }
  return variant;
}

function parseChoice<K extends keyof typeof VARIANT_CHOICES>(
  name: K,
  values: Readonly<Record<string, string | undefined>>,
): (typeof VARIANT_CHOICES)[K][number] | undefined {
  const value = values[name];
  const choices: readonly (typeof VARIANT_CHOICES)[K][number][] = VARIANT_CHOICES[name];
  const found = choices.find((choice) => choice === value);
  if (value === undefined || found !== undefined) return found;
  throw new Error(`--${name} ${value}: want one of ${choices.join(", ")}`);
}

/** The parts that Ironbridge's agent runs, as its setting `parts` names them. Pure. */
export function ironbridgeParts({ serviceProxy, loadBalancer, cni }: Variant): readonly string[] {
  return [
    ...(loadBalancer === "ironbridge" ? ["speaker"] : []),
    ...(serviceProxy === "ironbridge" ? ["proxy"] : []),
    ...(cni === "ironbridge" ? ["cni"] : []),
  ];
}
