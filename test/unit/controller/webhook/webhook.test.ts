import { X509Certificate } from "node:crypto";
import { request } from "node:https";
import { afterEach, describe, expect, test, vi } from "vitest";
import { makeCertificate, stillGood } from "../../../../controller/webhook/certificate.ts";
import { startWebhook } from "../../../../controller/webhook/webhook.ts";
import { type FakeClock, fakeClock, silentLog } from "../../../../core/mod.ts";
import {
  type FakeKubeClient,
  fakeKubeClient,
  fakeStore,
  type KubeObject,
  type Resource,
  SECRETS,
} from "../../../../kube/mod.ts";

const CONFIGURATIONS: Resource<KubeObject & { webhooks?: { clientConfig: { caBundle?: string } }[] }> = {
  group: "admissionregistration.k8s.io",
  version: "v1",
  kind: "ValidatingWebhookConfiguration",
  plural: "validatingwebhookconfigurations",
  namespaced: false,
};
const DAY = 86_400_000;
const NAME = "ironbridge-webhook";
const HOST = `${NAME}.ib.svc`;
const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

function start(client: FakeKubeClient, clock: FakeClock, leading = true) {
  const stop = new AbortController();
  stops.push(stop);
  const stores = {
    pools: fakeStore([{ metadata: { namespace: "ib", name: "old" }, spec: { addresses: ["10.0.0.0/24"] } }]),
    l2Advertisements: fakeStore(),
    bgpAdvertisements: fakeStore(),
    bgpPeers: fakeStore(),
    bfdProfiles: fakeStore(),
    communities: fakeStore(),
    nodes: fakeStore(),
  } as never as Pick<
    Parameters<typeof startWebhook>[0],
    "pools" | "l2Advertisements" | "bgpAdvertisements" | "bgpPeers" | "bfdProfiles" | "communities" | "nodes"
  >;
  const listen = { host: "127.0.0.1", port: 0 };
  const deps = {
    ...stores,
    client,
    namespace: "ib",
    name: NAME,
    listen,
    leadership: { leading: () => leading, holder: () => "", subscribe: () => () => {}, done: Promise.resolve() },
    log: silentLog(),
    clock,
  };
  return startWebhook(deps, stop.signal);
}

/** Asks as the API server does: it trusts the bundle and nothing else. */
async function ask(
  port: number,
  ca: string,
  body: object,
): Promise<{ response: { allowed: boolean; status?: { message: string } } }> {
  return await new Promise((resolve, reject) => {
    const call = request(
      { host: "127.0.0.1", port, servername: HOST, ca, method: "POST", path: "/validate" },
      (response) => {
        let text = "";
        response.on("data", (part) => {
          text += part;
        });
        response.on("end", () => resolve(JSON.parse(text)));
      },
    );
    call.on("error", reject);
    call.end(JSON.stringify(body));
  });
}

const bundleOf = (client: FakeKubeClient) =>
  Buffer.from(client.objects(CONFIGURATIONS)[0]?.webhooks?.[0]?.clientConfig.caBundle ?? "", "base64").toString();
const until = (check: () => void) => vi.waitFor(check, { timeout: 5000, interval: 10 });

describe("startWebhook()", () => {
  test("makes a certificate, has it trusted, and answers with it", async () => {
    const client = fakeKubeClient();
    client.seed(CONFIGURATIONS, { metadata: { name: NAME }, webhooks: [{ clientConfig: {} }, { clientConfig: {} }] });
    const webhook = start(client, fakeClock(Date.now()));
    await until(() => expect(bundleOf(client)).toContain("BEGIN CERTIFICATE"));
    const port = await webhook.listening;
    const review = (addresses: string[]) => ({
      request: {
        uid: "u",
        kind: { kind: "IPAddressPool" },
        operation: "CREATE",
        object: { metadata: { namespace: "ib", name: "new" }, spec: { addresses } },
      },
    });
    expect((await ask(port, bundleOf(client), review(["10.1.0.0/24"]))).response.allowed).toBe(true);
    const { response } = await ask(port, bundleOf(client), review(["10.0.0.7/32"]));
    expect(response.allowed).toBe(false);
    expect(response.status?.message).toContain("overlaps with already defined CIDR");
    expect(webhook.ready()).toBe(true);
  });

  test("works where no ValidatingWebhookConfiguration is installed", async () => {
    const client = fakeKubeClient();
    const webhook = start(client, fakeClock(Date.now()));
    await until(() => expect(webhook.ready()).toBe(true));
    expect(client.objects(SECRETS)).toHaveLength(1);
  });

  test("renews a certificate that ends soon, and has both trusted meanwhile", async () => {
    const client = fakeKubeClient();
    client.seed(CONFIGURATIONS, { metadata: { name: NAME }, webhooks: [{ clientConfig: {} }] });
    const clock = fakeClock(Date.now());
    const first = start(client, clock);
    await until(() => expect(first.ready()).toBe(true));
    await until(() => expect(bundleOf(client)).not.toBe(""));
    const before = bundleOf(client);
    stops.pop()?.abort();
    clock.advance(300 * DAY);
    const standby = start(client, clock, false);
    await until(() => expect(standby.ready()).toBe(true));
    expect(bundleOf(client)).toBe(before);
    const second = start(client, clock);
    await until(() => expect(bundleOf(client).match(/BEGIN/g)).toHaveLength(2));
    expect(bundleOf(client)).toContain(before.trim());
    expect(second.ready()).toBe(true);
  });
});

describe("makeCertificate()", () => {
  test("is for the names given and lasts a year", async () => {
    const now = new Date("2026-01-01T00:00:00Z");
    const { cert } = await makeCertificate([HOST, NAME], now);
    const parsed = new X509Certificate(cert);
    expect(parsed.checkHost(HOST)).toBe(HOST);
    expect(parsed.checkHost(NAME)).toBe(NAME);
    expect(parsed.ca).toBe(true);
    expect(stillGood(cert, [HOST], now)).toBe(true);
    expect(stillGood(cert, ["other.ib.svc"], now)).toBe(false);
    expect(stillGood(cert, [HOST], new Date(now.getTime() + 276 * DAY))).toBe(false);
    expect(stillGood("nonsense", [HOST], now)).toBe(false);
  });
});
