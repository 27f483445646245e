import { fixed, fromPod, fromSettings } from "./environment.ts";
import type { Manifest } from "./manifest.ts";
import { nameOf, selectorOf } from "./names.ts";
import { CONTROLLER_SETTINGS } from "./setting.ts";
import { imageOf, type Values } from "./values.ts";

/** TCP port of the controller's pod for /metrics, /healthz, /readyz and /debug/state. */
export const CONTROLLER_PORT = 9120;
/** TCP port of the controller's pod for the API server's questions. */
export const WEBHOOK_PORT = 9443;
/** Nobody's user, without a name or a home. */
const USER = 65532;

/** The Deployment: the replicas of the controller. */
export function controllerOf(values: Values, namespace: string): Manifest {
  const { controller } = values;
  const labels = selectorOf("controller");
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: nameOf("controller"), namespace, labels },
    spec: {
      // One leads, the other is ready to; they agree by a Lease.
      replicas: 2,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: nameOf("controller"),
          // There is no pod network before nodes have their prefixes.
          hostNetwork: controller.allocateNodeCidrs,
          imagePullSecrets: values.image.pullSecrets,
          priorityClassName: controller.priorityClassName,
          nodeSelector: controller.nodeSelector,
          tolerations: controller.tolerations,
          terminationGracePeriodSeconds: 10,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: USER,
            runAsGroup: USER,
            fsGroup: USER,
            seccompProfile: { type: "RuntimeDefault" },
          },
          containers: [controllerContainer(values)],
        },
      },
    },
  };
}

function controllerContainer(values: Values): object {
  const probe = (path: string) => ({ httpGet: { port: "admin", path } });
  return {
    name: "controller",
    ...imageOf(values),
    args: ["controller", `--allocate-node-cidrs=${values.controller.allocateNodeCidrs}`],
    env: [
      { name: "POD_IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
      fixed("admin-address", `$(POD_IP):${CONTROLLER_PORT}`),
      fixed("webhook-address", `$(POD_IP):${WEBHOOK_PORT}`),
      fromPod("namespace", "metadata.namespace"),
      ...fromSettings(CONTROLLER_SETTINGS),
    ],
    ports: [
      { name: "admin", containerPort: CONTROLLER_PORT, protocol: "TCP" },
      { name: "webhook", containerPort: WEBHOOK_PORT, protocol: "TCP" },
    ],
    livenessProbe: { ...probe("/healthz"), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    readinessProbe: { ...probe("/readyz"), periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 3 },
    resources: values.controller.resources,
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
  };
}
