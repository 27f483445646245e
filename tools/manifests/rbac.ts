import { CONTROLLER_LEASE as LEASE, MEMBERS_SECRET, WEBHOOK_NAME } from "../../config/mod.ts";
import type { Manifest } from "./manifest.ts";
import { type Component, nameOf, selectorOf } from "./names.ts";

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

const READ = ["list", "watch"];
const EVENTS: Rule = { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] };

/** Plural names of the kinds that users write. */
export const CONFIG_KINDS = [
  "ipaddresspools",
  "l2advertisements",
  "bgpadvertisements",
  "bgppeers",
  "bfdprofiles",
  "communities",
];

/** What each program asks of the API server in the whole cluster, and nothing else. */
const CLUSTER_RULES: Readonly<Record<Component, readonly Rule[]>> = {
  agent: [
    { apiGroups: [""], resources: ["services", "namespaces", "nodes"], verbs: READ },
    { apiGroups: [""], resources: ["nodes/status"], verbs: ["patch"] },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: READ },
    { apiGroups: ["networking.k8s.io"], resources: ["servicecidrs"], verbs: READ },
    { apiGroups: ["metallb.io"], resources: CONFIG_KINDS, verbs: READ },
    { apiGroups: ["metallb.io"], resources: ["bgppeers/status"], verbs: ["patch"] },
    EVENTS,
  ],
  controller: [
    { apiGroups: [""], resources: ["services", "namespaces", "nodes"], verbs: READ },
    { apiGroups: [""], resources: ["services/status"], verbs: ["patch"] },
    { apiGroups: ["metallb.io"], resources: CONFIG_KINDS, verbs: READ },
    { apiGroups: ["metallb.io"], resources: CONFIG_KINDS.map((kind) => `${kind}/status`), verbs: ["patch"] },
    {
      apiGroups: ["admissionregistration.k8s.io"],
      resources: ["validatingwebhookconfigurations"],
      resourceNames: [WEBHOOK_NAME],
      verbs: ["get", "update"],
    },
    EVENTS,
  ],
};

/** Plural names of the kinds in which speakers say what they announce. */
const STATUS_KINDS = ["servicel2statuses", "servicebgpstatuses"];

const READ_MEMBERS: Rule = { apiGroups: [""], resources: ["secrets"], resourceNames: [MEMBERS_SECRET], verbs: ["get"] };

/** Whether each program can use the whole configuration. */
const STATES: readonly Rule[] = [
  { apiGroups: ["metallb.io"], resources: ["configurationstates"], verbs: [...READ, "create"] },
  { apiGroups: ["metallb.io"], resources: ["configurationstates/status"], verbs: ["patch"] },
];

/** The same, in the namespace of Ironbridge. */
const OWN_RULES: Readonly<Record<Component, readonly Rule[]>> = {
  agent: [
    READ_MEMBERS,
    // Passwords of BGP peers, whose Secrets users name as they like.
    { apiGroups: [""], resources: ["secrets"], verbs: READ },
    { apiGroups: ["metallb.io"], resources: STATUS_KINDS, verbs: ["list", "create", "delete"] },
    { apiGroups: ["metallb.io"], resources: STATUS_KINDS.map((kind) => `${kind}/status`), verbs: ["update"] },
    ...STATES,
  ],
  // Creating can't be bound to a name: the name is in the body.
  controller: [
    READ_MEMBERS,
    { apiGroups: [""], resources: ["secrets"], verbs: ["create"] },
    { apiGroups: [""], resources: ["secrets"], resourceNames: [WEBHOOK_NAME], verbs: ["get", "update"] },
    { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["create"] },
    { apiGroups: ["coordination.k8s.io"], resources: ["leases"], resourceNames: [LEASE], verbs: ["get", "update"] },
    ...STATES,
  ],
};

const API_GROUP = "rbac.authorization.k8s.io";
const API_VERSION = `${API_GROUP}/v1`;

/** The service account of a component with its roles. */
export function rbacOf(component: Component, namespace: string): readonly Manifest[] {
  const name = nameOf(component);
  const labels = selectorOf(component);
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace, labels } },
    ...clusterRole(name, component, namespace, CLUSTER_RULES[component]),
    { apiVersion: API_VERSION, kind: "Role", metadata: { name, namespace, labels }, rules: OWN_RULES[component] },
    {
      apiVersion: API_VERSION,
      kind: "RoleBinding",
      metadata: { name, namespace, labels },
      roleRef: { apiGroup: API_GROUP, kind: "Role", name },
      subjects: [{ kind: "ServiceAccount", name, namespace }],
    },
  ];
}

/** What the controller asks for beside that where it gives nodes their pod prefixes. */
export function nodeCidrRbac(namespace: string): readonly Manifest[] {
  const rules = [{ apiGroups: [""], resources: ["nodes"], verbs: ["patch"] }];
  return clusterRole(`${nameOf("controller")}-node-cidrs`, "controller", namespace, rules);
}

/** A role in the whole cluster, and the component as the one who has it. */
function clusterRole(name: string, component: Component, namespace: string, rules: readonly Rule[]): Manifest[] {
  const labels = selectorOf(component);
  return [
    { apiVersion: API_VERSION, kind: "ClusterRole", metadata: { name, labels }, rules },
    {
      apiVersion: API_VERSION,
      kind: "ClusterRoleBinding",
      metadata: { name, labels },
      roleRef: { apiGroup: API_GROUP, kind: "ClusterRole", name },
      subjects: [{ kind: "ServiceAccount", name: nameOf(component), namespace }],
    },
  ];
}
