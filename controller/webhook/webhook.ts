import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { type Clock, explainError, IronbridgeError, type Log, systemClock } from "../../core/mod.ts";
import type { KubeClient, Leadership } from "../../kube/mod.ts";
import { type ConfigStores, readStores } from "../config-stores.ts";
import { keepCertificate } from "./certificate-keeper.ts";
import { type AdmissionRequest, review } from "./review.ts";

export interface WebhookDeps extends ConfigStores {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Of the Service, the Secret and the ValidatingWebhookConfiguration alike. */
  readonly name: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Absent: this is the only replica. */
  readonly leadership?: Leadership;
  readonly log: Log;
  readonly clock?: Clock;
}

export interface Webhook {
  /** The port it listens on, once it does. */
  readonly listening: Promise<number>;
  readonly done: Promise<void>;
  /** True once it can answer. */
  ready(): boolean;
  state(): unknown;
}

/** Octets of a review; the API server takes no objects beyond 3 MiB. */
const LONGEST = 8 * 1024 * 1024;

/** Answers the API server's questions about configuration objects before it stores them. */
export function startWebhook(deps: WebhookDeps, signal: AbortSignal): Webhook {
  const { log, listen, clock = systemClock } = deps;
  let reviews = 0;
  let certified = false;
  const server = createServer({ minVersion: "TLSv1.2" }, (request, response) => {
    reviews++;
    void answer(request, response, deps).catch((error) => {
      log.warn({ event: "webhook.failed", error: explainError(error) }, "cannot answer a review");
      response.writeHead(400).end();
    });
  });
  const onCertificate = ({ cert, key }: { cert: string; key: string }) => {
    server.setSecureContext({ cert, key, minVersion: "TLSv1.2" });
    certified = true;
  };
  const { client, namespace, name, leadership } = deps;
  const office = leadership === undefined ? {} : { leadership };
  const keeper = keepCertificate({ client, namespace, name, clock, log, ...office, onCertificate }, signal);
  const listening = new Promise<number>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        new IronbridgeError("IB_OPTION_INVALID", `cannot listen on ${listen.host} port ${listen.port}`, { cause }),
      ),
    );
    server.listen(listen, () => resolve((server.address() as AddressInfo).port));
  });
  const closed = new Promise<void>((resolve) => server.once("close", resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  signal.addEventListener("abort", close, { once: true });
  return {
    listening,
    done: listening.then(() => Promise.all([closed, keeper.done])).then(() => {}),
    ready: () => certified,
    state: () => ({ certified, reviews }),
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, deps: WebhookDeps) {
  const asked: { readonly request: AdmissionRequest } = JSON.parse(await readBody(request));
  const answered = review(asked.request, readStores(deps));
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response: answered }));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > LONGEST) throw new IronbridgeError("IB_API_REFUSED", `a review of more than ${LONGEST} octets`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
