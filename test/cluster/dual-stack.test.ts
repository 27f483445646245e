import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runInHost } from "../../lab/command.ts";
import { waitFor } from "../support/wait.ts";
import { getObject, kubectl } from "./kubectl.ts";
import { addressesOf, type MachinePlan } from "./plan.ts";
import { curl, externalAddresses, startTestCluster, type TestCluster, urlHost } from "./support/test-cluster.ts";
import { deployWeb } from "./support/web.ts";
import { IRONBRIDGE } from "./variant.ts";

/** The place of each family in every list of addresses here. */
const FAMILIES = [
  ["IPv4", 0],
  ["IPv6", 1],
] as const;
/** Of which each is at least five packets, with the TCP handshake. */
const REQUESTS = 20;

describe("with IPv4 and IPv6, and a VXLAN between the nodes", () => {
  let cluster: TestCluster;
  let pods: readonly Pod[];
  beforeAll(async () => {
    cluster = await startTestCluster({ ...IRONBRIDGE, ipFamilies: "dual", routingMode: "vxlan" });
    const { plan } = cluster;
    await deployWeb(plan, { name: "web", replicas: 2, ipFamilyPolicy: "RequireDualStack" });
    await deployWeb(plan, { name: "near", replicas: 1, policy: "Local", ipFamilyPolicy: "RequireDualStack" });
    const { items } = await getObject<{ items: readonly Pod[] }>(plan, "pods", "-l", "app=web");
    pods = items;
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test("every pod has an address of each family", () => {
    const addresses = pods.map(({ status }) => status.podIPs.map(({ ip }) => ip));
    const pair = [expect.stringMatching(/^10\.244\./), expect.stringMatching(/^fd00:10:244:/)];
    expect(addresses).toEqual([pair, pair]);
  });

  describe.each(FAMILIES)("%s", (_family, index) => {
    test("a LoadBalancer Service that wants both families answers from outside", async () => {
      const { plan } = cluster;
      const address = (await externalAddresses(plan, "default", "web"))[index]!;
      expect(address).toMatch(index === 0 ? /^192\.168\.1\.1\d\d$/ : /^fd00:1::1\d\d$/);
      const answer = () => curl(plan, `http://${urlHost(address)}/hostname`);
      expect(await waitFor("an answer", answer, { deadline: 5_000 })).toMatch(/^web-/);
    });

    test("policy Local keeps the client's address", async () => {
      const { plan } = cluster;
      const address = (await externalAddresses(plan, "default", "near"))[index]!;
      const answer = () => curl(plan, `http://${urlHost(address)}/clientip`);
      const seen = await waitFor("an answer", answer, { deadline: 5_000 });
      expect(withoutPort(seen)).toBe(addressesOf(plan.client)[index]);
    });

    test("a pod reaches a pod of another node through the tunnel, with its own address and in full packets", async () => {
      const [from, to] = [pods[0]!, pods[1]!];
      expect(from.spec.nodeName).not.toBe(to.spec.nodeName);
      const target = `http://${urlHost(to.status.podIPs[index]!.ip)}:8080`;
      const before = await tunnelPackets(to);
      // More than one packet's worth, so that a packet that the tunnel makes too long would be seen.
      const long = "x".repeat(4_000);
      const ask = `for i in $(seq ${REQUESTS}); do curl -sS --max-time 5 '${target}/echo?msg=${long}' || exit; done`;
      expect(await inPod(from, "sh", "-c", ask)).toBe(long.repeat(REQUESTS));
      expect((await tunnelPackets(to)) - before).toBeGreaterThanOrEqual(5 * REQUESTS);
      const seen = await inPod(from, "curl", "-sS", "--max-time", "5", `${target}/clientip`);
      expect(withoutPort(seen)).toBe(from.status.podIPs[index]!.ip);
    });

    test("a pod reaches a Service by name", async () => {
      const url = "http://web.default.svc.cluster.local/hostname";
      const flag = index === 0 ? "-4" : "-6";
      const ask = () => inPod(pods[0]!, "curl", flag, "-sS", "--max-time", "5", url);
      expect(await waitFor("an answer by name", ask, { deadline: 10_000 })).toMatch(/^web-/);
    });
  });

  function inPod({ metadata }: Pod, ...command: readonly string[]): Promise<string> {
    return kubectl(cluster.plan, ["exec", metadata.name, "--", ...command]);
  }

  /** How many packets have come out of the tunnel on a pod's node. */
  async function tunnelPackets({ spec }: Pod): Promise<number> {
    const { netns } = cluster.plan.nodes.find(({ name }) => name === spec.nodeName) as MachinePlan;
    const { stdout } = await runInHost(netns, "ip", ["-json", "-statistics", "link", "show", "type", "vxlan"]);
    const links = JSON.parse(stdout) as readonly { readonly stats64: { readonly rx: { readonly packets: number } } }[];
    return links.reduce((sum, { stats64 }) => sum + stats64.rx.packets, 0);
  }
});

interface Pod {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly podIPs: readonly { readonly ip: string }[] };
}

/** The address of "192.168.1.10:4711" or "[fd00:1::10]:4711". */
function withoutPort(peer: string): string {
  return peer
    .trim()
    .replace(/:\d+$/, "")
    .replace(/^\[(.*)\]$/, "$1");
}
