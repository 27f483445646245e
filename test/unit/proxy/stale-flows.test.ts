import { describe, expect, test } from "vitest";
import type { Flow } from "../../../linux/mod.ts";
import { parseAddress, printAddress } from "../../../net/mod.ts";
import { isStale, portsOf, StaleFlows } from "../../../proxy/stale-flows.ts";
import { servicePort } from "./cluster.ts";

const NODE = ["192.168.1.11", "fd00:1::11"];
const [POD_A, POD_B] = [
  { address: "10.244.1.7", port: 5353 },
  { address: "10.244.2.7", port: 5353 },
];
const dns = (serving: readonly { readonly address: string; readonly port: number }[]) =>
  servicePort({ protocol: "udp", port: 53, nodePort: 30053, loadBalancerIps: ["192.168.1.100"], serving });

function flow(destination: string, destinationPort: number, answerer: string, answererPort = 5353): Flow {
  const client = { address: parseAddress("192.168.1.10"), port: 40_000 };
  const [to, from] = [parseAddress(destination), parseAddress(answerer)];
  return {
    protocol: 17,
    original: { source: client.address, sourcePort: client.port, destination: to, destinationPort },
    reply: { source: from, sourcePort: answererPort, destination: client.address, destinationPort: client.port },
  };
}

/** Which of the flows go after the Service changed from one to the other. */
function gone(
  before: Parameters<typeof dns>[0] | undefined,
  after: Parameters<typeof dns>[0] | undefined,
  flows: Flow[],
) {
  const stale = new StaleFlows();
  if (before !== undefined) stale.replace("shop/dns", [dns(before)], NODE);
  stale.take();
  stale.replace("shop/dns", after === undefined ? [] : [dns(after)], NODE);
  const changed = stale.take();
  return flows
    .filter((each) => isStale(each, changed))
    .map((each) => `${printAddress(each.original.destination)} > ${printAddress(each.reply.source)}`);
}

const FLOWS = [
  flow("10.96.0.10", 53, "10.244.1.7"),
  flow("10.96.0.10", 53, "10.244.2.7"),
  flow("192.168.1.100", 53, "10.244.1.7"),
  flow("192.168.1.11", 30053, "10.244.1.7"),
  flow("10.96.0.10", 54, "10.244.1.7"),
  flow("8.8.8.8", 30053, "8.8.8.8", 30053),
];

describe("StaleFlows", () => {
  test("forgets flows to an endpoint that is gone, by every address of the Service and no other", () => {
    expect(gone([POD_A, POD_B], [POD_B], FLOWS)).toEqual([
      "10.96.0.10 > 10.244.1.7",
      "192.168.1.100 > 10.244.1.7",
      "192.168.1.11 > 10.244.1.7",
    ]);
  });

  test("forgets all flows when the last endpoint or the Service itself goes", () => {
    expect(gone([POD_A], [], FLOWS).length).toBe(4);
    expect(gone([POD_A], undefined, FLOWS).length).toBe(4);
  });

  test("forgets flows that began when there was no endpoint", () => {
    expect(gone([], [POD_A], [flow("10.96.0.10", 53, "10.96.0.10", 53)])).toEqual(["10.96.0.10 > 10.96.0.10"]);
  });

  test("forgets a flow to another port of an endpoint's address", () => {
    expect(gone([], [POD_A], [flow("10.96.0.10", 53, "10.244.1.7", 5354)]).length).toBe(1);
  });

  test("looks at everything after a start, and at nothing when nothing changed", () => {
    expect(gone(undefined, [POD_B], FLOWS).length).toBe(3);
    expect(gone([POD_A], [POD_A], FLOWS)).toEqual([]);
    const stale = new StaleFlows();
    stale.replace("shop/web", [servicePort()], NODE);
    expect(stale.any).toBe(false);
  });

  test("tells the families of a Service apart", () => {
    const stale = new StaleFlows();
    const ipv6 = { ...dns([]), family: "ipv6" as const, clusterIp: "fd00:96::10", loadBalancerIps: [] };
    stale.replace("shop/dns", [dns([POD_A]), ipv6], NODE);
    stale.take();
    stale.replace("shop/dns", [dns([POD_B]), ipv6], NODE);
    const changed = stale.take();
    expect([...portsOf(changed, "ipv4")]).toEqual([53, 30053]);
    expect(portsOf(changed, "ipv6").size).toBe(0);
    expect(isStale(FLOWS[3]!, changed)).toBe(true);
  });

  test("keeps the newest word when what was taken is given back", () => {
    const stale = new StaleFlows();
    stale.replace("shop/dns", [dns([POD_A])], NODE);
    const taken = stale.take();
    stale.replace("shop/dns", [dns([POD_B])], NODE);
    stale.giveBack(taken);
    expect(isStale(FLOWS[0]!, stale.take())).toBe(true);
  });
});
