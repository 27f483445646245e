import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { nodeObject, type SpeakerLab, startSpeakerLab, webService } from "./support/speaker-lab.ts";
import { tcpdump } from "./support/tcpdump.ts";

/** An IPv6-only network: the address announced, the nodes' own, and the heartbeats between them. */
const SUBNET = "fd00:9::";
const ADDRESS = `${SUBNET}100`;

let lab: SpeakerLab;
const inNetns = (netns: string, ...command: readonly string[]) => exec("ip", ["netns", "exec", netns, ...command]);

beforeAll(async () => {
  const addressOf = (index: number) => `${SUBNET}1${index + 1}`;
  const names = ["node1", "node2", "node3"];
  const nodes = names.map((name, i) => nodeObject({ name, address: addressOf(i) } as never));
  const pools = [
    { metadata: { name: "pool", namespace: "metallb-system" }, spec: { addresses: [`${SUBNET}100/120`] } },
  ];
  lab = await startSpeakerLab({ nodes, pools, services: [webService({}, ADDRESS)] }, async (topology) => {
    const hosts = [topology.client, ...topology.nodes];
    for (const [i, { netns }] of hosts.entries()) {
      await inNetns(netns, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.eth0.disable_ipv6=0");
      const own = i === 0 ? `${SUBNET}a` : addressOf(i - 1);
      await inNetns(netns, "ip", "address", "add", `${own}/64`, "dev", "eth0", "nodad");
    }
    const linkLocal = async (netns: string) =>
      (await inNetns(netns, "ip", "-6", "address", "show", "dev", "eth0", "scope", "link", "-tentative")).includes(
        "fe80",
      );
    for (const { netns } of hosts) await waitFor("a link-local address", () => linkLocal(netns), { deadline: 10_000 });
  });
  await lab.holder(30_000);
});
afterAll(() => lab[Symbol.asyncDispose]());

/** Hardware addresses that ndisc6 hears for the address, every one that answers. */
async function ndisc6(): Promise<string[]> {
  const output = await lab.client("ndisc6", "-m", "-n", "-w", "1500", ADDRESS, "eth0");
  const macs = [...output.matchAll(/Target link-layer address: ([0-9A-F:]+)/g)].map(([, mac]) => mac!.toLowerCase());
  return [...new Set(macs)];
}

/** What tcpdump reads of `count` solicitations and advertisements while `act` goes on. */
function dumpNdp(count: number, act: () => Promise<unknown>): Promise<string> {
  const { netns } = lab.topology.client;
  return tcpdump({ netns, device: "eth0", count }, "icmp6 and (ip6[40] = 135 or ip6[40] = 136)", act);
}

describe("startSpeaker() with an IPv6 address on an IPv6 network", () => {
  test("members hear each other over IPv6", async () => {
    const alive = async () => {
      const answers = await Promise.all(lab.nodes.map((node) => node.order({ kind: "tell" })));
      return answers.every(({ state }) => Object.values(state.members).join() === "alive,alive");
    };
    await waitFor("all to be alive", alive, { deadline: 5000 });
  });

  test("ndisc6 hears exactly one owner", async () => {
    const holder = await lab.holder();
    expect(await ndisc6()).toEqual([holder.mac]);
  });

  test("tcpdump reads the answer as it is meant: solicited, overriding, from this link, its checksum right", async () => {
    const holder = await lab.holder();
    const text = await dumpNdp(2, ndisc6);
    expect(text).toContain(`ICMP6, neighbor advertisement, length 32, tgt is ${ADDRESS}, Flags [solicited, override]`);
    expect(text).toContain(`destination link-address option (2), length 8 (1): ${holder.mac}`);
    expect(text).toContain("hlim 255");
    expect(text.match(/icmp6 sum ok/g)).toHaveLength(2);
  });

  test("another host that wants the address finds it taken", async () => {
    const { netns } = lab.topology.client;
    const isTaken = async () => {
      await inNetns(netns, "ip", "address", "add", `${ADDRESS}/128`, "dev", "eth0");
      try {
        const failed = async () => (await inNetns(netns, "ip", "address", "show", "dev", "eth0")).includes("dadfailed");
        await waitFor("duplicate address detection to fail", failed, { deadline: 5000 });
      } finally {
        await inNetns(netns, "ip", "address", "del", `${ADDRESS}/128`, "dev", "eth0");
      }
    };
    // The host asks once, and a holder that has only just taken the address does not tell of others.
    const reported = async () => {
      await isTaken();
      const { events } = await (await lab.holder()).order({ kind: "tell" });
      return events.some((each) => each.includes("Warning duplicateAddress"));
    };
    await waitFor("the event", reported, { deadline: 15_000, every: 500 });
  });

  test("the next holder tells everybody at once, unasked", async () => {
    const before = await lab.holder();
    const text = await dumpNdp(3, () => lab.topology.cutLink(before.name));
    const after = await waitFor(
      "another holder",
      async () => {
        const others = lab.nodes.filter(({ name }) => name !== before.name);
        const answers = await Promise.all(others.map((node) => node.order({ kind: "tell" })));
        return others.find((_, i) => answers[i]!.state.addresses[0]?.stance === "holds");
      },
      { deadline: 3000 },
    );
    expect(text).toContain(`${after.mac} > 33:33:00:00:00:01`);
    expect(text).toContain(
      `ff02::1: [icmp6 sum ok] ICMP6, neighbor advertisement, length 32, tgt is ${ADDRESS}, Flags [override]`,
    );
    expect(await ndisc6()).toEqual([after.mac]);
    await lab.topology.restoreLink(before.name);
  });
});
