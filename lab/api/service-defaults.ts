import { type Family, tryParseAddress } from "../../net/mod.ts";
import { type ApiObject, at, isObject, type Json, type JsonObject, listAt, numberAt, textAt, textsAt } from "./json.ts";
import { nodePortsOf, type ServiceRanges } from "./service-ranges.ts";

type Spec = Readonly<Record<string, Json | undefined>>;

/** Seconds a client stays on its endpoint with sessionAffinity ClientIP. */
const AFFINITY_TIMEOUT = 10_800;

/** The fields a real API server fills in a Service: defaults, addresses and node ports. */
export function serviceDefaults(service: ApiObject, before: ApiObject | undefined, ranges: ServiceRanges): ApiObject {
  const filled = plainDefaults(kept(specOf(service), before));
  const addressed = withAddresses(filled, before, ranges);
  const spec = withNodePorts(withoutForeignFields(addressed), before, ranges);
  return { ...service, spec, status: service.status ?? { loadBalancer: {} } };
}

function specOf(service: ApiObject): Spec {
  return isObject(service.spec) ? service.spec : {};
}

/** What an update that leaves it out keeps: addresses and node ports once given. */
function kept(spec: Spec, before: ApiObject | undefined): Spec {
  if (before === undefined || textAt(before, "spec", "type") === "ExternalName") return spec;
  const old = specOf(before);
  const result: Record<string, Json | undefined> = { ...spec };
  if (!spec.clusterIP && !spec.clusterIPs) {
    result.clusterIP = old.clusterIP;
    result.clusterIPs = old.clusterIPs;
  } else if (spec.clusterIP === old.clusterIP && !spec.clusterIPs) result.clusterIPs = old.clusterIPs;
  result.ipFamilies ??= old.ipFamilies;
  result.ipFamilyPolicy ??= old.ipFamilyPolicy;
  result.healthCheckNodePort ||= old.healthCheckNodePort;
  const oldPorts = listAt(old, "ports");
  result.ports = listAt(spec, "ports").map((port) => withOldNodePort(port, oldPorts));
  return result;
}

/** A port that leaves its node port out keeps the one of the same port number and protocol. */
function withOldNodePort(port: Json, oldPorts: readonly Json[]): Json {
  if (!isObject(port) || numberAt(port, "nodePort")) return port;
  const protocol = port.protocol ?? "TCP";
  const old = oldPorts.find((one) => at(one, "port") === port.port && at(one, "protocol") === protocol);
  const nodePort = numberAt(old, "nodePort");
  return nodePort === undefined ? port : { ...port, nodePort };
}

function plainDefaults(spec: Spec): Spec {
  const type = spec.type ?? "ClusterIP";
  const result: Record<string, Json | undefined> = { ...spec, type, sessionAffinity: spec.sessionAffinity ?? "None" };
  if (result.sessionAffinity === "ClientIP") {
    result.sessionAffinityConfig ??= { clientIP: { timeoutSeconds: AFFINITY_TIMEOUT } };
  } else delete result.sessionAffinityConfig;
  if (type !== "ExternalName") result.internalTrafficPolicy ??= "Cluster";
  if (isExternal(type) || listAt(spec, "externalIPs").length > 0) result.externalTrafficPolicy ??= "Cluster";
  if (type === "LoadBalancer") result.allocateLoadBalancerNodePorts ??= true;
  if (Array.isArray(spec.ports)) {
    result.ports = spec.ports.map((port: Json) =>
      isObject(port) ? { ...port, protocol: port.protocol ?? "TCP", targetPort: port.targetPort ?? port.port } : port,
    );
  }
  return result;
}

function isExternal(type: Json | undefined): boolean {
  return type === "NodePort" || type === "LoadBalancer";
}

/** Without the fields of another type, which a change of type leaves behind. */
function withoutForeignFields(spec: Spec): Spec {
  const result: Record<string, Json | undefined> = { ...spec };
  if (spec.type !== "LoadBalancer") {
    delete result.allocateLoadBalancerNodePorts;
    delete result.loadBalancerClass;
  }
  if (!needsHealthCheck(spec)) delete result.healthCheckNodePort;
  if (spec.type === "ExternalName") {
    for (const field of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]) {
      delete result[field];
    }
  }
  if (!isExternal(spec.type) && listAt(spec, "externalIPs").length === 0) delete result.externalTrafficPolicy;
  if (!isExternal(spec.type) && Array.isArray(spec.ports)) {
    result.ports = spec.ports.map((port: Json) => withoutNodePort(port));
  }
  return result;
}

function withoutNodePort(port: Json): Json {
  if (!isObject(port)) return port;
  const { nodePort: _gone, ...rest } = port;
  return rest;
}

function needsHealthCheck(spec: Spec): boolean {
  return spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";
}

function withAddresses(spec: Spec, before: ApiObject | undefined, ranges: ServiceRanges): Spec {
  if (spec.type === "ExternalName") return spec;
  const given = listAt(spec, "clusterIPs").length > 0 ? textsAt(spec, "clusterIPs") : single(spec.clusterIP);
  const families = familiesOf(spec, given, ranges);
  const policy = spec.ipFamilyPolicy ?? (families.length > 1 ? "RequireDualStack" : "SingleStack");
  const common = { ...spec, ipFamilyPolicy: policy, ipFamilies: families };
  if (given[0] === "None") return { ...common, clusterIP: "None", clusterIPs: ["None"] };
  const old = before === undefined ? [] : textsAt(before, "spec", "clusterIPs");
  const addresses = families.map((family, i) => {
    const wanted = given[i] ?? old.find((address) => familyName(address) === family);
    return wanted ?? ranges.freeAddress(family === "IPv6" ? "ipv6" : "ipv4");
  });
  return { ...common, clusterIP: addresses[0], clusterIPs: addresses };
}

function single(clusterIP: Json | undefined): readonly string[] {
  return typeof clusterIP === "string" && clusterIP !== "" ? [clusterIP] : [];
}

/** "IPv4" or "IPv6" in the order the Service wants its addresses. */
function familiesOf(spec: Spec, given: readonly string[], ranges: ServiceRanges): readonly string[] {
  const named = textsAt(spec, "ipFamilies");
  const fromAddresses = given.flatMap((address) => familyName(address) ?? []);
  const all = ranges.families.map(name);
  const first = [...named, ...fromAddresses, ...all.slice(0, 1)];
  const wanted = [...new Set(named.length > 0 ? named : fromAddresses.length > 0 ? fromAddresses : first)];
  if (spec.ipFamilyPolicy === "SingleStack") return wanted.slice(0, 1);
  if (spec.ipFamilyPolicy === undefined) return wanted;
  return [...new Set([...wanted, ...all])];
}

function familyName(address: string): string | undefined {
  const family = tryParseAddress(address)?.family;
  return family === undefined ? undefined : name(family);
}

function name(family: Family): string {
  return family === "ipv6" ? "IPv6" : "IPv4";
}

function withNodePorts(spec: Spec, before: ApiObject | undefined, ranges: ServiceRanges): Spec {
  if (!isExternal(spec.type)) return spec;
  const taken = new Set(
    nodePortsOf({ apiVersion: "v1", kind: "Service", metadata: { name: "" }, spec: spec as JsonObject }),
  );
  const next = () => {
    const port = ranges.freePort(taken);
    taken.add(port);
    return port;
  };
  const result: Record<string, Json | undefined> = { ...spec };
  if (spec.type === "NodePort" || spec.allocateLoadBalancerNodePorts === true) {
    result.ports = listAt(spec, "ports").map((port) =>
      isObject(port) && !numberAt(port, "nodePort") ? { ...port, nodePort: next() } : port,
    );
  }
  if (needsHealthCheck(spec)) {
    result.healthCheckNodePort ||= numberAt(before, "spec", "healthCheckNodePort") ?? next();
  }
  return result;
}
