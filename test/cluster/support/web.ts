import { AGNHOST_IMAGE } from "../image/catalogue.ts";
import { kubectl } from "../kubectl.ts";
import type { ClusterPlan } from "../plan.ts";

export interface WebOptions {
  readonly name: string;
  readonly replicas: number;
  readonly policy?: "Cluster" | "Local";
  readonly ipFamilyPolicy?: "RequireDualStack";
  /** Nodes whose pods it may have; all but the control plane when absent. */
  readonly nodes?: readonly string[];
}

/** Makes what webManifest() says and returns when its pods are ready. */
export async function deployWeb(plan: ClusterPlan, options: WebOptions): Promise<void> {
  await kubectl(plan, ["apply", "-f", "-"], webManifest(options));
  await kubectl(plan, ["wait", `deployment/${options.name}`, "--for=condition=Available", "--timeout=25s"]);
}

/** A Deployment that answers /hostname and /clientip, and its Service of type LoadBalancer, as one List. Pure. */
export function webManifest(options: WebOptions): string {
  const { name, replicas, policy = "Cluster", ipFamilyPolicy, nodes } = options;
  const labels = { app: name };
  const spread = {
    topologyKey: "kubernetes.io/hostname",
    maxSkew: 1,
    whenUnsatisfiable: "DoNotSchedule",
    nodeTaintsPolicy: "Honor",
    labelSelector: { matchLabels: labels },
  };
  const onNodes = {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [
        { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: nodes ?? [] }] },
      ],
    },
  };
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 15,
          ...(nodes === undefined ? {} : { affinity: { nodeAffinity: onNodes } }),
          topologySpreadConstraints: [spread],
          containers: [
            {
              name: "web",
              image: AGNHOST_IMAGE,
              // Answers on for a while after it was told to end, as long as somebody may still send it requests.
              args: ["netexec", "--http-port=8080", "--delay-shutdown=5"],
              ports: [{ containerPort: 8080 }],
              readinessProbe: { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  };
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, labels },
    spec: {
      type: "LoadBalancer",
      externalTrafficPolicy: policy,
      ipFamilyPolicy,
      selector: labels,
      ports: [{ port: 80, targetPort: 8080 }],
    },
  };
  return JSON.stringify({ apiVersion: "v1", kind: "List", items: [deployment, service] });
}
