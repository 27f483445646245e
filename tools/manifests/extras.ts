import { CONTROLLER_PORT, WEBHOOK_PORT } from "./controller.ts";
import type { Manifest } from "./manifest.ts";
import { COMMON_LABELS, nameOf, selectorOf } from "./names.ts";
import type { Values } from "./values.ts";

/** Nobody needs the controller but who reads its metrics and the API server, for the webhook; probes of the kubelet pass any policy. */
export function networkPolicyOf(namespace: string): Manifest {
  const labels = selectorOf("controller");
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: nameOf("controller"), namespace, labels },
    spec: {
      podSelector: { matchLabels: labels },
      policyTypes: ["Ingress"],
      ingress: [{ ports: [CONTROLLER_PORT, WEBHOOK_PORT].map((port) => ({ protocol: "TCP", port })) }],
    },
  };
}

/** For the Prometheus operator: both programs, by the name of their port. */
export function podMonitorOf({ podMonitor }: Values, namespace: string): Manifest {
  return {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PodMonitor",
    metadata: { name: "ironbridge", namespace, labels: podMonitor.labels },
    spec: {
      selector: { matchLabels: COMMON_LABELS },
      podMetricsEndpoints: [{ port: "admin", path: "/metrics", interval: podMonitor.interval }],
    },
  };
}
