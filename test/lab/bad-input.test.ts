import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Lab } from "../../lab/mod.ts";
import { addressOf, apply, curl, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";

function pool(name: string, ...addresses: readonly string[]) {
  return {
    apiVersion: "metallb.io/v1beta1",
    kind: "IPAddressPool",
    metadata: { name, namespace: "ironbridge-system" },
    spec: { addresses },
  };
}

function service(name: string, annotations: Readonly<Record<string, string>> = {}) {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default", annotations },
    spec: { type: "LoadBalancer", selector: { app: "web" }, ports: [{ name: "http", port: 80, targetPort: 80 }] },
  };
}

/** Objects that can't work, and the words that tell their owner what to do. */
const MISTAKES: readonly (readonly [string, object, string, RegExp])[] = [
  [
    "a pool that overlaps with another",
    pool("overlapping", "192.168.1.140-192.168.1.160"),
    "ipaddresspool/overlapping",
    /spec\.addresses\[0\] is "192\.168\.1\.140-192\.168\.1\.160".*overlaps.*lab-pool.*take the shared addresses out/,
  ],
  [
    "a range backwards",
    pool("backwards", "192.168.2.20-192.168.2.10"),
    "ipaddresspool/backwards",
    /spec\.addresses\[0\] is "192\.168\.2\.20-192\.168\.2\.10".*runs backwards.*write/,
  ],
  [
    "an annotation that names no pool",
    service("no-pool", { "metallb.io/address-pool": "nowhere" }),
    "service/no-pool",
    /default\/no-pool.*unknown pool "nowhere".*create the IPAddressPool or correct the annotation metallb\.io\/address-pool/,
  ],
  [
    "an address outside every pool",
    service("outside", { "metallb.io/loadBalancerIPs": "10.9.9.9" }),
    "service/outside",
    /default\/outside.*"10\.9\.9\.9".*no IPAddressPool holds it/,
  ],
  [
    "an address that is none",
    service("nonsense", { "metallb.io/loadBalancerIPs": "nonsense" }),
    "service/nonsense",
    /metallb\.io\/loadBalancerIPs: "nonsense" is not a list of IP addresses/,
  ],
];

describe("bad input", () => {
  let lab: Lab;
  let web = "";
  const eventsOf = async (object: string) => {
    const lines = await lab.kubectl(["get", "events", "-A", "--field-selector", "type=Warning"]);
    return lines.split("\n").find((line) => line.includes(` ${object} `));
  };
  beforeAll(async () => {
    lab = await startTestLab({ nodes: 1 });
    await lab.applySamples();
    web = `http://${await addressOf(lab, "default/web")}/`;
    await waitFor("the Service of the samples to answer", () => curl(lab, web), { deadline: 20_000 });
  });
  afterAll(async () => await lab?.stop());

  test.each(MISTAKES)("%s is told in an event", async (_, object, name, words) => {
    await apply(lab, object);
    expect(await waitFor(`an event on ${name}`, () => eventsOf(name), { deadline: 3_000 })).toMatch(words);
  });

  test("the others get addresses and answer meanwhile", async () => {
    await apply(lab, service("later"));
    const url = `http://${await addressOf(lab, "default/later")}/`;
    expect(await waitFor("the new Service to answer", () => curl(lab, url), { deadline: 2_000 })).toMatch(/^web, /);
    expect(await curl(lab, web)).toMatch(/^web, /);
  });

  test("a mistake put right works at once", async () => {
    await apply(lab, pool("nowhere", "192.168.1.160-192.168.1.161"));
    expect(await addressOf(lab, "default/no-pool", 2_000)).toBe("192.168.1.160");
    await apply(lab, pool("backwards", "10.9.9.0/24"));
    expect(await addressOf(lab, "default/outside", 2_000)).toBe("10.9.9.9");
  });
});
