import { parsePrefix, tryParseAddress } from "../../net/mod.ts";
import { type ApiObject, at, type Json, listAt, numberAt, sameJson, textAt, textsAt } from "./json.ts";
import type { FieldError } from "./refusal.ts";
import { NODE_PORT_FIRST, NODE_PORT_LAST, type ServiceRanges } from "./service-ranges.ts";
import { invalidValue, isDnsLabel, oneOf, required } from "./validation.ts";

/** What a real API server refuses in a Service, in its words. Reads a Service with its defaults filled in. */
export function serviceErrors(
  service: ApiObject,
  before: ApiObject | undefined,
  ranges: ServiceRanges,
): readonly FieldError[] {
  return [
    ...oneOf("spec.type", at(service, "spec", "type"), ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]),
    ...oneOf("spec.sessionAffinity", at(service, "spec", "sessionAffinity"), ["ClientIP", "None"]),
    ...optionalOneOf(service, "externalTrafficPolicy", ["Cluster", "Local"]),
    ...optionalOneOf(service, "internalTrafficPolicy", ["Cluster", "Local"]),
    ...optionalOneOf(service, "ipFamilyPolicy", ["PreferDualStack", "RequireDualStack", "SingleStack"]),
    ...affinityErrors(service),
    ...portErrors(service),
    ...nodePortErrors(service, ranges),
    ...addressErrors(service, before, ranges),
    ...loadBalancerErrors(service, before),
  ];
}

function optionalOneOf(service: ApiObject, field: string, values: readonly string[]): readonly FieldError[] {
  const value = at(service, "spec", field);
  return value === undefined ? [] : oneOf(`spec.${field}`, value, values);
}

function affinityErrors(service: ApiObject): readonly FieldError[] {
  const timeout = numberAt(service, "spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds");
  if (timeout === undefined || (timeout > 0 && timeout <= 86_400)) return [];
  const field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
  return [invalidValue(field, timeout, "must be greater than 0 and less than 86400")];
}

function portErrors(service: ApiObject): readonly FieldError[] {
  const ports = listAt(service, "spec", "ports");
  const type = textAt(service, "spec", "type");
  const headless = textAt(service, "spec", "clusterIP") === "None";
  if (type === "ExternalName") {
    return textAt(service, "spec", "externalName") ? [] : [required("spec.externalName")];
  }
  if (ports.length === 0 && !headless) return [required("spec.ports")];
  return [
    ...ports.flatMap((port, i) => onePortErrors(port, `spec.ports[${i}]`, ports.length > 1)),
    ...repeated(
      ports,
      (port) => textAt(port, "name"),
      (i) => `spec.ports[${i}].name`,
    ),
    ...repeated(
      ports,
      (port) => `${at(port, "protocol")}/${at(port, "port")}`,
      (i) => `spec.ports[${i}]`,
    ),
  ];
}

function onePortErrors(port: Json, path: string, isOneOfMany: boolean): readonly FieldError[] {
  const errors: FieldError[] = [...portNumberErrors(`${path}.port`, at(port, "port"))];
  const name = textAt(port, "name") ?? "";
  if (name === "" && isOneOfMany) errors.push(required(`${path}.name`));
  if (name !== "" && !isDnsLabel(name)) {
    errors.push(
      invalidValue(
        `${path}.name`,
        name,
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'",
      ),
    );
  }
  errors.push(...oneOf(`${path}.protocol`, at(port, "protocol"), ["SCTP", "TCP", "UDP"]));
  const target = at(port, "targetPort");
  if (typeof target === "number") errors.push(...portNumberErrors(`${path}.targetPort`, target));
  return errors;
}

function portNumberErrors(field: string, value: Json | undefined): readonly FieldError[] {
  if (value === undefined) return [required(field)];
  const valid = typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
  return valid ? [] : [invalidValue(field, value, "must be between 1 and 65535, inclusive")];
}

function repeated(
  ports: readonly Json[],
  keyOf: (port: Json) => string | undefined,
  pathOf: (i: number) => string,
): readonly FieldError[] {
  const seen = new Set<string>();
  return ports.flatMap((port, i): readonly FieldError[] => {
    const key = keyOf(port);
    if (key === undefined || key === "") return [];
    if (seen.has(key)) {
      const message = `Duplicate value: ${JSON.stringify(key)}`;
      return [{ field: pathOf(i), reason: "FieldValueDuplicate", message }];
    }
    seen.add(key);
    return [];
  });
}

function nodePortErrors(service: ApiObject, ranges: ServiceRanges): readonly FieldError[] {
  const key = `${service.metadata.namespace}/${service.metadata.name}`;
  const entries = listAt(service, "spec", "ports").map(
    (port, i) => [`spec.ports[${i}].nodePort`, numberAt(port, "nodePort")] as const,
  );
  const health = ["spec.healthCheckNodePort", numberAt(service, "spec", "healthCheckNodePort")] as const;
  return [...entries, health].flatMap(([field, port]): readonly FieldError[] => {
    if (port === undefined || port === 0) return [];
    if (port < NODE_PORT_FIRST || port > NODE_PORT_LAST) {
      const why = `provided port is not in the valid range. The range of valid ports is ${NODE_PORT_FIRST}-${NODE_PORT_LAST}`;
      return [invalidValue(field, port, why)];
    }
    const holder = ranges.holderOfPort(port);
    return holder === undefined || holder === key
      ? []
      : [invalidValue(field, port, "provided port is already allocated")];
  });
}

function addressErrors(
  service: ApiObject,
  before: ApiObject | undefined,
  ranges: ServiceRanges,
): readonly FieldError[] {
  const key = `${service.metadata.namespace}/${service.metadata.name}`;
  const addresses = textsAt(service, "spec", "clusterIPs");
  const errors = addresses.flatMap((address, i): readonly FieldError[] => {
    const field = `spec.clusterIPs[${i}]`;
    if (address === "None") return [];
    if (tryParseAddress(address) === undefined) {
      return [invalidValue(field, address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")];
    }
    const holder = ranges.holderOfAddress(address);
    const list = [
      invalidValue(
        "spec.clusterIPs",
        addresses,
        `failed to allocate IP ${address}: ${
          ranges.contains(address)
            ? "provided IP is already allocated"
            : "the provided network does not match the current range"
        }`,
      ),
    ];
    return ranges.contains(address) && (holder === undefined || holder === key) ? [] : list;
  });
  if (textAt(service, "spec", "clusterIP") !== undefined && addresses[0] !== textAt(service, "spec", "clusterIP")) {
    errors.push(invalidValue("spec.clusterIPs", addresses, "first value must match `clusterIP`"));
  }
  const old = textAt(before, "spec", "clusterIP");
  const stays = textAt(before, "spec", "type") !== "ExternalName" && textAt(service, "spec", "type") !== "ExternalName";
  if (old !== undefined && old !== "" && stays && addresses[0] !== old) {
    errors.push(invalidValue("spec.clusterIPs[0]", addresses, "may not change once set"));
  }
  if (at(service, "spec", "ipFamilyPolicy") === "RequireDualStack" && ranges.families.length < 2) {
    errors.push(
      invalidValue("spec.ipFamilyPolicy", "RequireDualStack", "this cluster is not configured for dual-stack services"),
    );
  }
  return errors;
}

function loadBalancerErrors(service: ApiObject, before: ApiObject | undefined): readonly FieldError[] {
  const errors: FieldError[] = [];
  const wasLoadBalancer = textAt(before, "spec", "type") === "LoadBalancer";
  const isLoadBalancer = textAt(service, "spec", "type") === "LoadBalancer";
  const [old, now] = [at(before, "spec", "loadBalancerClass"), at(service, "spec", "loadBalancerClass")];
  if (wasLoadBalancer && isLoadBalancer && !sameJson(old, now)) {
    errors.push(invalidValue("spec.loadBalancerClass", now ?? null, "may not change once set"));
  }
  textsAt(service, "spec", "loadBalancerSourceRanges").forEach((range, i) => {
    const [address = "", length = ""] = range.trim().split("/");
    if (tryParseAddress(address) !== undefined && /^\d{1,3}$/.test(length)) return;
    errors.push(
      invalidValue(
        `spec.loadBalancerSourceRanges[${i}]`,
        range,
        "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
      ),
    );
  });
  textsAt(service, "spec", "externalIPs").forEach((address, i) => {
    if (tryParseAddress(address) !== undefined) return;
    errors.push(
      invalidValue(`spec.externalIPs[${i}]`, address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
    );
  });
  return errors;
}

/** Of a ServiceCIDR. */
export function serviceCidrErrors(cidr: ApiObject): readonly FieldError[] {
  const why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
  return textsAt(cidr, "spec", "cidrs").flatMap((text, i) =>
    isPrefix(text) ? [] : [invalidValue(`spec.cidrs[${i}]`, text, why)],
  );
}

function isPrefix(text: string): boolean {
  try {
    parsePrefix(text);
    return true;
  } catch {
    return false; // parsePrefix() reports malformed text by throwing; that it is so is the answer here
  }
}
