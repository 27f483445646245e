import { type Clock, explainError, type Log, type Runner, startRunner } from "../../core/mod.ts";
import {
  type KubeClient,
  type KubeObject,
  type Leadership,
  type Resource,
  refusalStatus,
  SECRETS,
  type V1Secret,
} from "../../kube/mod.ts";
import { type Certificate, makeCertificate, stillGood } from "./certificate.ts";

interface WebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly { readonly clientConfig?: { readonly caBundle?: string } }[];
}

const CONFIGURATIONS: Resource<WebhookConfiguration> = {
  group: "admissionregistration.k8s.io",
  version: "v1",
  kind: "ValidatingWebhookConfiguration",
  plural: "validatingwebhookconfigurations",
  namespaced: false,
};

export interface KeeperDeps {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Of the Service, the Secret and the ValidatingWebhookConfiguration alike. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The leader renews the certificate and has it trusted; every replica may make the first one. Absent: the only replica. */
  readonly leadership?: Pick<Leadership, "leading" | "subscribe">;
  readonly onCertificate: (certificate: Certificate) => void;
}

/** Milliseconds between two looks at the Secret: a replica learns of a renewal by looking. */
const LOOK_EVERY = 60_000;

/**
 * Keeps the certificate of the webhook in a Secret that all replicas read, renews it in time, and tells the API server to
 * trust it. The one before is trusted on for as long as a replica may still show it.
 */
export function keepCertificate(deps: KeeperDeps, signal: AbortSignal): Runner {
  const { client, namespace, name, clock, log, leadership } = deps;
  const leading = leadership?.leading ?? (() => true);
  const names = [`${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`, name];
  const at = { namespace, name };
  let shown: string | undefined;

  const renew = async (secret: V1Secret | undefined): Promise<V1Secret> => {
    const { cert, key } = await makeCertificate(names, clock.date());
    const former = secret === undefined ? {} : { "former.crt": secret.data?.["tls.crt"] ?? "" };
    const data = { "tls.crt": base64(cert), "tls.key": base64(key), ...former };
    log.info({ event: "webhook.certificate-made", namespace, name }, "made a certificate for the webhook");
    if (secret === undefined) return await client.create(SECRETS, { metadata: at, type: "kubernetes.io/tls", data });
    return await client.update(SECRETS, { ...secret, data });
  };

  const work = async () => {
    const found = await client.get(SECRETS, at);
    const good = found !== undefined && stillGood(text(found, "tls.crt"), names, clock.date());
    const secret = good || (found !== undefined && !leading()) ? found : await renew(found);
    const certificate = { cert: text(secret, "tls.crt"), key: text(secret, "tls.key") };
    if (certificate.cert !== shown) deps.onCertificate(certificate);
    shown = certificate.cert;
    if (leading()) await trust(client, name, `${text(secret, "former.crt")}${certificate.cert}`);
  };

  const onError = (error: unknown) => {
    // Another replica made one at the same time: the next look finds it.
    const level = refusalStatus(error) === 409 ? "debug" : "warn";
    log[level]({ event: "webhook.certificate-failed", error: explainError(error) }, "cannot keep the certificate");
  };
  const pace = { minInterval: 100, retryInterval: 2_000, maxInterval: LOOK_EVERY, onError };
  const runner = startRunner(work, pace, signal);
  if (leadership !== undefined) signal.addEventListener("abort", leadership.subscribe(runner.poke), { once: true });
  return runner;
}

/** Nothing to do where no webhook is installed. */
async function trust(client: KubeClient, name: string, bundle: string): Promise<void> {
  const found = await client.get(CONFIGURATIONS, { name });
  if (found === undefined) return;
  const caBundle = base64(bundle);
  const webhooks = found.webhooks ?? [];
  if (webhooks.every(({ clientConfig }) => clientConfig?.caBundle === caBundle)) return;
  const trusting = webhooks.map((webhook) => ({ ...webhook, clientConfig: { ...webhook.clientConfig, caBundle } }));
  await client.update(CONFIGURATIONS, { ...found, webhooks: trusting });
}

function text(secret: V1Secret, key: string): string {
  return Buffer.from(secret.data?.[key] ?? "", "base64").toString();
}

function base64(value: string): string {
  return Buffer.from(value).toString("base64");
}
