import { typeNameOf, unknownFieldsOf } from "./builtin-types.ts";
import {
  CONFIG_MAP_COLUMNS,
  CREATED_COLUMNS,
  DEFAULT_COLUMNS,
  EVENT_COLUMNS,
  LEASE_COLUMNS,
  NAMESPACE_COLUMNS,
  NODE_COLUMNS,
  ROLE_BINDING_COLUMNS,
  SECRET_COLUMNS,
  SERVICE_ACCOUNT_COLUMNS,
} from "./cluster-columns.ts";
import { crdDefaults, crdErrors } from "./crd.ts";
import { eventFromCore, eventToCore } from "./event-versions.ts";
import { type ApiObject, objectAt } from "./json.ts";
import {
  ENDPOINT_SLICE_COLUMNS,
  ENDPOINTS_COLUMNS,
  INGRESS_CLASS_COLUMNS,
  INGRESS_COLUMNS,
  NETWORK_POLICY_COLUMNS,
  SERVICE_CIDR_COLUMNS,
  SERVICE_COLUMNS,
} from "./network-columns.ts";
import { POD_COLUMNS } from "./pod-columns.ts";
import { type ApiResource, type Strategy, storageName } from "./resource.ts";
import { serviceDefaults } from "./service-defaults.ts";
import type { ServiceRanges } from "./service-ranges.ts";
import { serviceCidrErrors, serviceErrors } from "./service-validation.ts";
import { podErrors, workloadErrors } from "./validation.ts";
import {
  DAEMON_SET_COLUMNS,
  DEPLOYMENT_COLUMNS,
  REPLICA_SET_COLUMNS,
  STATEFUL_SET_COLUMNS,
} from "./workload-columns.ts";
import {
  daemonSetDefaults,
  deploymentDefaults,
  podDefaults,
  replicaSetDefaults,
  statefulSetDefaults,
} from "./workload-defaults.ts";

type Options = Partial<Omit<ApiResource, "group" | "version" | "kind" | "plural">>;

function resource(group: string, version: string, kind: string, plural: string, options: Options = {}): ApiResource {
  return {
    group,
    version,
    kind,
    plural,
    singular: kind.toLowerCase(),
    shortNames: [],
    categories: [],
    namespaced: true,
    subresources: [],
    storage: storageName({ group, plural }),
    columns: DEFAULT_COLUMNS,
    selectableFields: [],
    ...options,
    strategy: { ...strictness(group, kind), ...options.strategy },
  };
}

/** Kinds without a known type, such as CustomResourceDefinition, take any field. */
function strictness(group: string, kind: string): Strategy {
  const typeName = typeNameOf(group, kind);
  return typeName === undefined ? {} : { unknownFields: (object) => unknownFieldsOf(typeName, object) };
}

const ALL = ["all"];
const CLUSTER = { namespaced: false } as const;

/** Every built-in kind, in the order discovery shows them. */
export function builtinResources(ranges: ServiceRanges): readonly ApiResource[] {
  const services: Strategy = {
    nameForm: "label",
    defaults: (service, before) => serviceDefaults(service, before, ranges),
    validate: (service, before) => serviceErrors(service, before, ranges),
  };
  return [...coreResources(services), ...workloadResources(), ...networkResources(), ...otherResources()];
}

const EVENT_FIELDS = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];

function coreResources(services: Strategy): readonly ApiResource[] {
  const core = (kind: string, plural: string, options?: Options) => resource("", "v1", kind, plural, options);
  return [
    core("Namespace", "namespaces", {
      ...CLUSTER,
      shortNames: ["ns"],
      subresources: ["status"],
      columns: NAMESPACE_COLUMNS,
      strategy: { defaults: namespaceDefaults },
      selectableFields: ["status.phase"],
    }),
    core("Node", "nodes", {
      ...CLUSTER,
      shortNames: ["no"],
      subresources: ["status"],
      columns: NODE_COLUMNS,
      strategy: { statusOnCreate: "kept" },
      selectableFields: ["spec.unschedulable"],
    }),
    core("Service", "services", {
      shortNames: ["svc"],
      categories: ALL,
      subresources: ["status"],
      columns: SERVICE_COLUMNS,
      strategy: services,
      selectableFields: ["spec.type", "spec.clusterIP"],
    }),
    core("Endpoints", "endpoints", { singular: "endpoints", shortNames: ["ep"], columns: ENDPOINTS_COLUMNS }),
    core("Pod", "pods", {
      shortNames: ["po"],
      categories: ALL,
      subresources: ["status", "log", "binding"],
      columns: POD_COLUMNS,
      strategy: { defaults: podDefaults, validate: podErrors },
      selectableFields: ["spec.nodeName", "status.phase", "status.podIP", "spec.restartPolicy", "spec.schedulerName"],
    }),
    core("ConfigMap", "configmaps", { shortNames: ["cm"], columns: CONFIG_MAP_COLUMNS }),
    core("Secret", "secrets", {
      columns: SECRET_COLUMNS,
      strategy: { defaults: secretDefaults },
      selectableFields: ["type"],
    }),
    core("ServiceAccount", "serviceaccounts", { shortNames: ["sa"], columns: SERVICE_ACCOUNT_COLUMNS }),
    core("Event", "events", {
      shortNames: ["ev"],
      columns: EVENT_COLUMNS,
      selectableFields: ["type", "reason", "source", ...EVENT_FIELDS.map((field) => `involvedObject.${field}`)],
    }),
    resource("events.k8s.io", "v1", "Event", "events", {
      shortNames: ["ev"],
      columns: EVENT_COLUMNS,
      storage: "events",
      selectableFields: ["type", "reason", ...EVENT_FIELDS.map((field) => `regarding.${field}`)],
      decode: eventFromCore,
      encode: eventToCore,
    }),
  ];
}

function workloadResources(): readonly ApiResource[] {
  const apps = (kind: string, plural: string, options: Options) =>
    resource("apps", "v1", kind, plural, { categories: ALL, ...options });
  return [
    apps("Deployment", "deployments", {
      shortNames: ["deploy"],
      subresources: ["status", "scale"],
      columns: DEPLOYMENT_COLUMNS,
      strategy: { defaults: deploymentDefaults, validate: workloadErrors },
    }),
    apps("ReplicaSet", "replicasets", {
      shortNames: ["rs"],
      subresources: ["status", "scale"],
      columns: REPLICA_SET_COLUMNS,
      strategy: { defaults: replicaSetDefaults, validate: workloadErrors },
    }),
    apps("DaemonSet", "daemonsets", {
      shortNames: ["ds"],
      subresources: ["status"],
      columns: DAEMON_SET_COLUMNS,
      strategy: { defaults: daemonSetDefaults, validate: workloadErrors },
    }),
    apps("StatefulSet", "statefulsets", {
      shortNames: ["sts"],
      subresources: ["status", "scale"],
      columns: STATEFUL_SET_COLUMNS,
      strategy: { defaults: statefulSetDefaults, validate: workloadErrors },
    }),
  ];
}

function networkResources(): readonly ApiResource[] {
  const networking = (kind: string, plural: string, options: Options) =>
    resource("networking.k8s.io", "v1", kind, plural, options);
  return [
    resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", { columns: ENDPOINT_SLICE_COLUMNS }),
    networking("ServiceCIDR", "servicecidrs", {
      ...CLUSTER,
      subresources: ["status"],
      columns: SERVICE_CIDR_COLUMNS,
      strategy: { validate: serviceCidrErrors },
    }),
    networking("Ingress", "ingresses", { shortNames: ["ing"], subresources: ["status"], columns: INGRESS_COLUMNS }),
    networking("IngressClass", "ingressclasses", { ...CLUSTER, columns: INGRESS_CLASS_COLUMNS }),
    networking("NetworkPolicy", "networkpolicies", { shortNames: ["netpol"], columns: NETWORK_POLICY_COLUMNS }),
  ];
}

function otherResources(): readonly ApiResource[] {
  const rbac = (kind: string, plural: string, options: Options) =>
    resource("rbac.authorization.k8s.io", "v1", kind, plural, {
      ...options,
      strategy: { nameForm: "any" },
    });
  const webhooks = (kind: string, plural: string) =>
    resource("admissionregistration.k8s.io", "v1", kind, plural, { ...CLUSTER, categories: ["api-extensions"] });
  return [
    resource("coordination.k8s.io", "v1", "Lease", "leases", { columns: LEASE_COLUMNS }),
    rbac("ClusterRole", "clusterroles", { ...CLUSTER, columns: CREATED_COLUMNS }),
    rbac("ClusterRoleBinding", "clusterrolebindings", { ...CLUSTER, columns: ROLE_BINDING_COLUMNS }),
    rbac("Role", "roles", { columns: CREATED_COLUMNS }),
    rbac("RoleBinding", "rolebindings", { columns: ROLE_BINDING_COLUMNS }),
    resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", {
      shortNames: ["pdb"],
      subresources: ["status"],
    }),
    resource("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", { ...CLUSTER, shortNames: ["pc"] }),
    webhooks("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
    webhooks("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
    resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", {
      ...CLUSTER,
      shortNames: ["crd", "crds"],
      categories: ["api-extensions"],
      subresources: ["status"],
      columns: CREATED_COLUMNS,
      strategy: { defaults: crdDefaults, validate: crdErrors },
    }),
  ];
}

function namespaceDefaults(namespace: ApiObject): ApiObject {
  const { name, labels } = namespace.metadata;
  return {
    ...namespace,
    metadata: { ...namespace.metadata, labels: { ...labels, "kubernetes.io/metadata.name": name } },
    spec: { finalizers: ["kubernetes"], ...objectAt(namespace, "spec") },
    status: namespace.status ?? { phase: "Active" },
  };
}

/** stringData is written only; it is read as data. */
function secretDefaults(secret: ApiObject): ApiObject {
  const { stringData, ...rest } = secret;
  const encoded = Object.entries(objectAt(stringData)).map(([key, value]) => [
    key,
    Buffer.from(String(value)).toString("base64"),
  ]);
  const data = { ...objectAt(secret, "data"), ...Object.fromEntries(encoded) };
  return { ...rest, type: secret.type ?? "Opaque", ...(Object.keys(data).length > 0 && { data }) };
}
