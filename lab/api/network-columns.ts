import { type ApiObject, type Json, listAt, numberAt, objectAt, textAt, textsAt } from "./json.ts";
import { AGE_COLUMN, type Column, NAME_COLUMN, textColumn } from "./table.ts";

export const SERVICE_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  textColumn("Type", ["spec", "type"]),
  textColumn("Cluster-IP", ["spec", "clusterIP"]),
  { name: "External-IP", type: "string", cell: externalIp },
  {
    name: "Port(s)",
    type: "string",
    cell: (service) => listAt(service, "spec", "ports").map(port).join(",") || "<none>",
  },
  AGE_COLUMN,
  { name: "Selector", type: "string", priority: 1, cell: (service) => pairs(service, "spec", "selector") },
];

function externalIp(service: ApiObject): string {
  const fixed = textsAt(service, "spec", "externalIPs");
  switch (textAt(service, "spec", "type")) {
    case "LoadBalancer": {
      const given = ingressAddresses(service);
      return [...given, ...fixed].join(",") || "<pending>";
    }
    case "ExternalName":
      return textAt(service, "spec", "externalName") ?? "<none>";
    default:
      return fixed.join(",") || "<none>";
  }
}

function ingressAddresses(object: ApiObject): readonly string[] {
  return listAt(object, "status", "loadBalancer", "ingress").flatMap(
    (entry) => textAt(entry, "ip") ?? textAt(entry, "hostname") ?? [],
  );
}

function port(entry: Json): string {
  const nodePort = numberAt(entry, "nodePort");
  const protocol = textAt(entry, "protocol") ?? "TCP";
  return `${numberAt(entry, "port")}${nodePort === undefined ? "" : `:${nodePort}`}/${protocol}`;
}

/** Labels or a selector as key=value pairs. */
export function pairs(object: Json, ...path: readonly string[]): string {
  const entries = Object.entries(objectAt(object, ...path)).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, value]) => `${key}=${value}`).join(",") || "<none>";
}

/** At most three of a list, then how many more there are, as kubectl prints endpoints. */
function some(texts: readonly string[], otherwise: string): string {
  if (texts.length === 0) return otherwise;
  return texts.length > 3 ? `${texts.slice(0, 3).join(",")} + ${texts.length - 3} more...` : texts.join(",");
}

export const ENDPOINT_SLICE_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  textColumn("AddressType", ["addressType"]),
  {
    name: "Ports",
    type: "string",
    cell: (slice) =>
      some(
        listAt(slice, "ports").map((entry) => String(numberAt(entry, "port") ?? "*")),
        "<unset>",
      ),
  },
  {
    name: "Endpoints",
    type: "string",
    cell: (slice) =>
      some(
        listAt(slice, "endpoints").flatMap((endpoint) => textsAt(endpoint, "addresses")),
        "<unset>",
      ),
  },
  AGE_COLUMN,
];

export const ENDPOINTS_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  { name: "Endpoints", type: "string", cell: (endpoints) => some(subsetAddresses(endpoints), "<none>") },
  AGE_COLUMN,
];

function subsetAddresses(endpoints: ApiObject): readonly string[] {
  return listAt(endpoints, "subsets").flatMap((subset) =>
    listAt(subset, "addresses").flatMap((address) => {
      const ports = listAt(subset, "ports");
      const ip = textAt(address, "ip") ?? "";
      return ports.length === 0 ? [ip] : ports.map((entry) => `${ip}:${numberAt(entry, "port")}`);
    }),
  );
}

export const INGRESS_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  textColumn("Class", ["spec", "ingressClassName"]),
  {
    name: "Hosts",
    type: "string",
    cell: (ingress) =>
      listAt(ingress, "spec", "rules")
        .map((rule) => textAt(rule, "host") || "*")
        .join(",") || "*",
  },
  { name: "Address", type: "string", cell: (ingress) => ingressAddresses(ingress).join(",") },
  { name: "Ports", type: "string", cell: (ingress) => (listAt(ingress, "spec", "tls").length > 0 ? "80, 443" : "80") },
  AGE_COLUMN,
];

export const INGRESS_CLASS_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  textColumn("Controller", ["spec", "controller"]),
  textColumn("Parameters", ["spec", "parameters", "name"]),
  AGE_COLUMN,
];

export const NETWORK_POLICY_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  { name: "Pod-Selector", type: "string", cell: (policy) => pairs(policy, "spec", "podSelector", "matchLabels") },
  AGE_COLUMN,
];

export const SERVICE_CIDR_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  { name: "CIDRs", type: "string", cell: (cidr) => textsAt(cidr, "spec", "cidrs").join(",") },
  AGE_COLUMN,
];
