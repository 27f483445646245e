import { WEBHOOK_NAME } from "../../config/mod.ts";
import { WEBHOOK_PORT } from "./controller.ts";
import type { Manifest } from "./manifest.ts";
import { COMMON_LABELS, selectorOf } from "./names.ts";
import { CONFIG_KINDS } from "./rbac.ts";

/**
 * The Service of the webhook, and what the API server asks it. With no answer an object is stored all the same, and a mistake
 * is told on the object itself: a webhook that is down stands in nobody's way. The controller adds whom to trust.
 */
export function webhookOf(namespace: string): readonly Manifest[] {
  const name = WEBHOOK_NAME;
  const service = { name, namespace, path: "/validate", port: 443 };
  const webhook = (what: string, resources: readonly string[], operations: readonly string[]) => ({
    name: `${what}.ironbridge.io`,
    admissionReviewVersions: ["v1"],
    clientConfig: { service },
    failurePolicy: "Ignore",
    matchPolicy: "Equivalent",
    sideEffects: "None",
    timeoutSeconds: 3,
    rules: [{ apiGroups: ["metallb.io"], apiVersions: ["*"], resources, operations, scope: "Namespaced" }],
  });
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace, labels: COMMON_LABELS },
      spec: {
        selector: selectorOf("controller"),
        ports: [{ name: "webhook", port: 443, targetPort: WEBHOOK_PORT, protocol: "TCP" }],
      },
    },
    {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingWebhookConfiguration",
      metadata: { name, labels: COMMON_LABELS },
      webhooks: [
        webhook("configuration", CONFIG_KINDS, ["CREATE", "UPDATE"]),
        webhook("deletion", ["bfdprofiles"], ["DELETE"]),
      ],
    },
  ];
}
