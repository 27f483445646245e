import { ANNOTATION, annotationKey, annotationOf, type Labels } from "../config/mod.ts";
import { objectKey, type V1Service } from "../kube/mod.ts";
import { type Address, type Family, tryParseAddress } from "../net/mod.ts";
import type { Tenant } from "./tenant.ts";

export type FamilyPolicy = "SingleStack" | "PreferDualStack" | "RequireDualStack";

/** The addresses a Service names itself. */
export type Wanted =
  | { readonly kind: "any" }
  | { readonly kind: "these"; readonly addresses: readonly Address[] }
  /** What it names can't be read or can't go together. */
  | { readonly kind: "invalid"; readonly why: string };

/** What a Service of type LoadBalancer asks for. */
export interface Request {
  readonly key: string;
  readonly namespace: string;
  readonly namespaceLabels: Labels;
  readonly labels: Labels;
  readonly tenant: Tenant;
  /** As in the spec; empty while it has none. */
  readonly clusterIps: readonly string[];
  /** Of its cluster IPs, first one first. */
  readonly families: readonly Family[];
  readonly familyPolicy: FamilyPolicy;
  /** The pool named by annotation. */
  readonly pool: string | undefined;
  readonly wanted: Wanted;
}

/** Which Services this controller serves: those of this loadBalancerClass; undefined: those without a class. */
export type ServedClass = string | undefined;

/** "elsewhere": another controller's. "none": it asks for no external address. */
export type Asked = "elsewhere" | "none" | Request;

export function readRequest(service: V1Service, namespaceLabels: Labels, served: ServedClass): Asked {
  const { spec = {}, metadata = {} } = service;
  if (spec.type !== "LoadBalancer") return "none";
  if (spec.loadBalancerClass !== served) return "elsewhere";
  const pool = annotationOf(service, ANNOTATION.addressPool);
  const clusterIps = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP]);
  return {
    key: objectKey(service),
    namespace: metadata.namespace ?? "",
    namespaceLabels,
    labels: metadata.labels ?? {},
    tenant: readTenant(service),
    clusterIps,
    families: [...new Set(clusterIps.flatMap((ip) => tryParseAddress(ip)?.family ?? []))],
    familyPolicy: readPolicy(spec.ipFamilyPolicy),
    pool: pool === "" ? undefined : pool,
    wanted: readWanted(service),
  };
}

/** The addresses in the Service's status, those that can be read. */
export function currentAddresses(service: V1Service): readonly Address[] {
  return (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => tryParseAddress(ip ?? "") ?? []);
}

function readTenant(service: V1Service): Tenant {
  const { externalTrafficPolicy, selector = {}, ports = [] } = service.spec ?? {};
  return {
    owner: objectKey(service),
    sharingKey: annotationOf(service, ANNOTATION.allowSharedIp) ?? "",
    backendKey: externalTrafficPolicy === "Local" ? printSelector(selector) : "",
    ports: ports.map(({ protocol = "TCP", port }) => `${protocol}/${port}`),
  };
}

/** Sorted, so that equal selectors print the same however they were written. */
function printSelector(selector: Readonly<Record<string, string>>): string {
  return Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(",");
}

function readPolicy(policy: string | undefined): FamilyPolicy {
  return policy === "PreferDualStack" || policy === "RequireDualStack" ? policy : "SingleStack";
}

function readWanted(service: V1Service): Wanted {
  const list = annotationOf(service, ANNOTATION.loadBalancerIps) ?? "";
  const single = service.spec?.loadBalancerIP ?? "";
  const key = annotationKey(ANNOTATION.loadBalancerIps);
  if (list === "" && single === "") return { kind: "any" };
  if (list !== "" && single !== "") {
    return { kind: "invalid", why: `service can not have both ${key} and svc.Spec.LoadBalancerIP` };
  }
  const [field, texts] = list === "" ? ["spec.loadBalancerIP", [single]] : [key, list.split(",")];
  const addresses = texts.map((text) => tryParseAddress(text.trim()));
  if (!addresses.every((address) => address !== undefined)) {
    return { kind: "invalid", why: `invalid ${field}: "${texts.join(",")}" is not a list of IP addresses` };
  }
  if (new Set(addresses.map(({ family }) => family)).size < addresses.length) {
    return { kind: "invalid", why: `invalid ${field}: "${texts.join(",")}" names more than one address of a family` };
  }
  return { kind: "these", addresses };
}
