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
  if (before !== undefined) stale.replace("shop/dns", [dns(before)], NODE, 0);
  stale.take(0);
  stale.replace("shop/dns", after === undefined ? [] : [dns(after)], NODE, 0);
  const changed = stale.take(0);
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
    stale.replace("shop/web", [servicePort()], NODE, 0);
    expect(stale.any).toBe(false);
  });

  test("tells the families of a Service apart", () => {
    const stale = new StaleFlows();
    const ipv6 = { ...dns([]), family: "ipv6" as const, clusterIp: "fd00:96::10", loadBalancerIps: [] };
    stale.replace("shop/dns", [dns([POD_A]), ipv6], NODE, 0);
    stale.take(0);
    stale.replace("shop/dns", [dns([POD_B]), ipv6], NODE, 0);
    const changed = stale.take(0);
    expect([...portsOf(changed, "ipv4")]).toEqual([53, 30053]);
    expect(portsOf(changed, "ipv6").size).toBe(0);
    expect(isStale(FLOWS[3]!, changed)).toBe(true);
  });

  test("keeps the newest word when what was taken is given back", () => {
    const stale = new StaleFlows();
    stale.replace("shop/dns", [dns([POD_A])], NODE, 0);
    const taken = stale.take(0);
    stale.replace("shop/dns", [dns([POD_B])], NODE, 0);
    stale.giveBack(taken);
    expect(isStale(FLOWS[0]!, stale.take(0))).toBe(true);
  });

  describe("with a time to drain", () => {
    const draining = (serving: Parameters<typeof dns>[0]) => ({ ...dns(serving), drain: 30_000 });
    const toA = FLOWS[0]!;

    function left(now: number): StaleFlows {
      const stale = new StaleFlows();
      stale.replace("shop/dns", [draining([POD_A, POD_B])], NODE, 0);
      stale.take(0);
      stale.replace("shop/dns", [draining([POD_B])], NODE, now);
      return stale;
    }

    test("lets flows go on to an endpoint that left until its time is over", () => {
      const stale = left(1000);
      expect(isStale(toA, stale.take(1000))).toBe(false);
      expect(stale.nextLeave).toBe(31_000);
      expect(stale.take(30_999).size).toBe(0);
      const changed = stale.take(31_000);
      expect(FLOWS.slice(0, 4).map((each) => isStale(each, changed))).toEqual([true, false, true, true]);
      expect(stale.nextLeave).toBeUndefined();
    });

    test("keeps what is leaving when another endpoint comes or goes meanwhile", () => {
      const stale = left(1000);
      stale.take(1000);
      stale.replace("shop/dns", [draining([])], NODE, 2000);
      const changed = stale.take(2000);
      expect(FLOWS.slice(0, 2).map((each) => isStale(each, changed))).toEqual([false, false]);
      expect(isStale(FLOWS[1]!, stale.take(31_000))).toBe(false);
      expect(isStale(FLOWS[1]!, stale.take(32_000))).toBe(true);
    });

    test("lets an endpoint that comes back stay", () => {
      const stale = left(1000);
      stale.replace("shop/dns", [draining([POD_A, POD_B])], NODE, 2000);
      stale.take(2000);
      expect(isStale(toA, stale.take(31_000))).toBe(false);
    });

    test("does not wait when the Service itself goes, and knows nothing of it then", () => {
      const stale = left(1000);
      stale.replace("shop/dns", [], NODE, 2000);
      expect(isStale(toA, stale.take(2000))).toBe(true);
      expect(stale.nextLeave).toBeUndefined();
    });
  });
});
