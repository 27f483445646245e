import type { Answer, Question } from "dns-packet";
import type { V1EndpointSlice, V1Service } from "../kube/mod.ts";
import { CLUSTER_DOMAIN } from "./address-plan.ts";

/** Seconds, as CoreDNS answers for Services. */
const TTL = 5;

/** What the names of Services are answered from. */
export interface DnsObjects {
  service(namespace: string, name: string): V1Service | undefined;
  slices(namespace: string, name: string): readonly V1EndpointSlice[];
}

/** "refused": not a name of this cluster. "unknown": a name of this cluster that does not exist (NXDOMAIN). */
export type DnsOutcome =
  | { readonly kind: "answers"; readonly answers: readonly Answer[] }
  | { readonly kind: "unknown" }
  | { readonly kind: "refused" };

/**
 * Answers a question by the specification of DNS-based service discovery in Kubernetes, version 1.1.0: A, AAAA and SRV
 * of Services, the endpoints of headless ones, and CNAME of ExternalName ones. Pure.
 */
export function answerQuestion(question: Question, objects: DnsObjects): DnsOutcome {
  const suffix = `.svc.${CLUSTER_DOMAIN}`;
  const name = question.name.toLowerCase().replace(/\.$/, "");
  if (name !== CLUSTER_DOMAIN && !name.endsWith(`.${CLUSTER_DOMAIN}`)) return { kind: "refused" };
  if (!name.endsWith(suffix)) return { kind: "unknown" };
  const labels = name.slice(0, -suffix.length).split(".");
  const [namespace, serviceName, ...rest] = labels.toReversed();
  const service = objects.service(namespace ?? "", serviceName ?? "");
  if (service === undefined) return { kind: "unknown" };
  const slices = objects.slices(namespace ?? "", serviceName ?? "");
  const entry: Entry = { name: question.name, fullName: `${serviceName}.${namespace}${suffix}`, service, slices };
  if (rest.length === 0) return answers(serviceAnswers(entry, question.type));
  if (rest.length === 2 && rest.every((label) => label.startsWith("_"))) {
    const [protocol, port] = rest.map((label) => label.slice(1));
    return portAnswers(entry, question.type, port!, protocol!);
  }
  if (rest.length === 1) return hostAnswers(entry, question.type, rest[0]!);
  return { kind: "unknown" };
}

interface Entry {
  /** As asked, so that the answer repeats the spelling. */
  readonly name: string;
  readonly fullName: string;
  readonly service: V1Service;
  readonly slices: readonly V1EndpointSlice[];
}

function answers(list: readonly Answer[]): DnsOutcome {
  return { kind: "answers", answers: list };
}

function serviceAnswers({ name, service, slices }: Entry, type: string): Answer[] {
  const { type: serviceType, externalName, clusterIP, clusterIPs } = service.spec ?? {};
  if (serviceType === "ExternalName") return [{ type: "CNAME", name, ttl: TTL, data: externalName ?? "" }];
  const addresses =
    clusterIP === "None" ? slices.flatMap(readyAddresses) : (clusterIPs ?? (clusterIP ? [clusterIP] : []));
  return addressAnswers(name, addresses, type);
}

function hostAnswers({ name, slices }: Entry, type: string, hostname: string): DnsOutcome {
  const endpoints = slices.flatMap((slice) => slice.endpoints ?? []).filter((one) => one.hostname === hostname);
  if (endpoints.length === 0) return { kind: "unknown" };
  return answers(
    addressAnswers(
      name,
      endpoints.flatMap((one) => one.addresses),
      type,
    ),
  );
}

function portAnswers({ name, fullName, service }: Entry, type: string, port: string, protocol: string): DnsOutcome {
  const found = service.spec?.ports?.find(
    (one) => one.name === port && (one.protocol ?? "TCP").toLowerCase() === protocol,
  );
  if (found === undefined) return { kind: "unknown" };
  if (type !== "SRV") return answers([]);
  return answers([{ type, name, ttl: TTL, data: { priority: 0, weight: 100, port: found.port, target: fullName } }]);
}

function readyAddresses(slice: V1EndpointSlice): string[] {
  return (slice.endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap((one) => one.addresses);
}

function addressAnswers(name: string, addresses: readonly string[], type: string): Answer[] {
  if (type !== "A" && type !== "AAAA") return [];
  return addresses
    .filter((address) => address.includes(":") === (type === "AAAA"))
    .map((data) => ({ type, name, ttl: TTL, data }));
}
