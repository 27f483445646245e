import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { L2Advertisement } from "../../config/mod.ts";
import type { Topology } from "../../lab/topology.ts";
import { exec } from "../../linux/mod.ts";
import { BRIDGE_NAME, TUNNEL_NAME } from "../../net/mod.ts";
import { waitFor } from "../support/wait.ts";
import { ADDRESS, nodeObject, type SpeakerLab, startSpeakerLab } from "./support/speaker-lab.ts";
import { tcpdump } from "./support/tcpdump.ts";

/**
 * Nodes with several interfaces and a client with as many, each pair on a network of its own: eth0 has the address's subnet,
 * eth1 another one, br0 is a bridge whose port is eth2, and cali0, which is excluded, is the pod side of another plugin. The pod
 * side of our own is there too.
 */
const NETWORKS = ["eth0", "eth1", "br0", "cali0"] as const;
type Network = (typeof NETWORKS)[number];
const ALL: Network[] = ["eth0", "eth1", "br0"];
/** An address that no host has. */
const NOBODY = "192.168.4.99";

let lab: SpeakerLab;
const ip = (netns: string, ...args: readonly string[]) => exec("ip", ["-n", netns, ...args]);

beforeAll(async () => {
  lab = await startSpeakerLab({ excludedInterfaces: ["^cali"] }, async (topology) => {
    const hosts = [topology.client, ...topology.nodes];
    for (const [i, network] of (["eth1", "eth2", "cali0"] as const).entries()) {
      await ip(topology.lan.netns, "link", "add", `lan${i + 1}`, "type", "bridge");
      await ip(topology.lan.netns, "link", "set", `lan${i + 1}`, "up");
      for (const [j, host] of hosts.entries()) {
        const port = `${host.name}-${i + 1}`;
        const peer = ["peer", "name", network, "netns", host.netns];
        await ip(topology.lan.netns, "link", "add", port, "type", "veth", ...peer);
        await ip(topology.lan.netns, "link", "set", port, "up", "master", `lan${i + 1}`);
        await useLink(topology, host.netns, network, `192.168.${i + 2}.${10 + j}/24`);
      }
    }
    for (const { netns } of topology.nodes) await addOwnLinks(netns);
  });
  await lab.holder(30_000);
});
afterAll(() => lab[Symbol.asyncDispose]());

/** The bridge of the pods, with a pod's link, and the tunnel to other nodes: all of them could carry ARP. */
async function addOwnLinks(netns: string): Promise<void> {
  await ip(netns, "link", "add", BRIDGE_NAME, "up", "type", "bridge");
  await ip(netns, "link", "add", "ib0123456789abc", "up", "master", BRIDGE_NAME, "type", "veth", "peer", "name", "pod");
  await ip(netns, "link", "set", "pod", "up");
  await ip(netns, "link", "add", TUNNEL_NAME, "up", "type", "vxlan", "id", "7373", "dstport", "8472", "dev", "eth0");
}

/** Gives a link its address; a node has eth2 as the port of its bridge br0, the client has br0 as its name. */
async function useLink({ client }: Topology, netns: string, network: string, address: string): Promise<void> {
  let device = network;
  if (network === "eth2") {
    device = "br0";
    if (netns === client.netns) await ip(netns, "link", "set", "eth2", "name", "br0");
    else {
      await ip(netns, "link", "add", "br0", "type", "bridge");
      await ip(netns, "link", "set", "eth2", "up", "master", "br0");
    }
  }
  await ip(netns, "address", "add", address, "dev", device);
  await ip(netns, "link", "set", device, "up");
}

/** Hardware addresses that answer for the address on each network now. */
async function answering(): Promise<Record<Network, string[]>> {
  const ask = async (network: Network) => {
    const args = ["netns", "exec", lab.topology.client.netns, "arping", "-I", network, "-b", "-w", "1", ADDRESS];
    const child = spawn("ip", args, { stdio: ["ignore", "pipe", "ignore"] }); // arping fails when nobody answers
    let text = "";
    for await (const chunk of child.stdout) text += chunk;
    const macs = [...text.matchAll(/reply from \S+ \[([0-9A-F:]+)\]/g)].map(([, mac]) => mac!.toLowerCase());
    return [network, [...new Set(macs)]] as const;
  };
  return Object.fromEntries(await Promise.all(NETWORKS.map(ask))) as Record<Network, string[]>;
}

async function macOf(netns: string, device: string): Promise<string> {
  return JSON.parse(await ip(netns, "-json", "link", "show", "dev", device))[0].address;
}

/** Waits until `node`, on exactly these networks and with their interfaces' own addresses, and nobody else answers. */
async function answeredBy(node: string, networks: readonly Network[]): Promise<void> {
  const { netns } = lab.node(node);
  const want = await Promise.all(
    NETWORKS.map(async (name) => [name, networks.includes(name) ? [await macOf(netns, name)] : []]),
  );
  let seen = "";
  const right = async () => {
    seen = JSON.stringify(await answering());
    return seen === JSON.stringify(Object.fromEntries(want));
  };
  await waitFor("the answers", right, { deadline: 10_000 }).catch(() =>
    expect(JSON.parse(seen)).toEqual(Object.fromEntries(want)),
  );
}

/** Waits until no node says that it or another announces the address. */
const nobodyClaims = () =>
  waitFor(
    "all nodes to know no holder",
    async () => {
      const answers = await Promise.all(lab.nodes.map((node) => node.order({ kind: "tell" })));
      return answers.every(({ state }) => state.addresses[0]?.holder === undefined);
    },
    { deadline: 10_000 },
  );

const nobodyAnswers = () =>
  waitFor("silence", async () => Object.values(await answering()).flat().length === 0, { deadline: 10_000 });

async function advertise(...specs: L2Advertisement["spec"][]): Promise<void> {
  const l2Advertisements = specs.map((spec, i) => ({ metadata: { name: `a${i}`, namespace: "metallb-system" }, spec }));
  await Promise.all(lab.nodes.map((node) => node.order({ kind: "l2Advertisements", l2Advertisements })));
}

/** An advertisement's own selection of nodes by name. */
const onNode = (name: string) => ({ nodeSelectors: [{ matchLabels: { name } }] });

describe("an L2Advertisement's interfaces", () => {
  test("none: the interface with the address's subnet", async () => {
    await answeredBy((await lab.holder()).name, ["eth0"]);
  });

  test("row 18, 19: after each edit the selected interface answers, with its own hardware address, and no other", async () => {
    for (const network of ["eth1", "br0", "eth0"] as const) {
      await advertise({ interfaces: [network] });
      await answeredBy((await lab.holder()).name, [network]);
    }
  });

  test("a pattern selects all that match, but no excluded interface", async () => {
    await advertise({ interfaces: ["/.*/"] });
    const holder = await lab.holder();
    await answeredBy(holder.name, ALL);
    const { state } = await holder.order({ kind: "tell" });
    expect([...state.interfaces].sort()).toEqual([...ALL, "pod"].sort());
    await advertise({ interfaces: ["cali0"] });
    await nobodyAnswers();
  });

  // The kernel gives what a port receives to its bridge: an address announced there would answer nobody.
  test("the port of a bridge is none: nobody claims the address for it, and nothing is announced through it", async () => {
    await advertise({});
    await lab.holder();
    const { netns } = lab.topology.client;
    const text = await tcpdump(
      { netns, device: "br0", count: 1 },
      `arp and (src ${ADDRESS} or dst ${NOBODY})`,
      async () => {
        await advertise({ interfaces: ["eth2"] });
        await nobodyClaims();
        await lab.client("arping", "-c", "1", "-w", "1", "-I", "br0", NOBODY).catch(() => {}); // nobody answers
      },
    );
    expect(text).toContain(NOBODY);
  });

  test("row 20: an interface that is nowhere: nobody answers, and an event says so", async () => {
    await advertise({ interfaces: ["eth9"] });
    await nobodyAnswers();
    const told = async () => {
      const answers = await Promise.all(lab.nodes.map((node) => node.order({ kind: "tell" })));
      return answers.flatMap(({ events }) => events).some((event) => event.includes("Warning announceFailed"));
    };
    await waitFor("the event", told, { deadline: 10_000 });
  });

  test("row 21: two advertisements with different interfaces: both answer", async () => {
    await advertise({ interfaces: ["eth0"] }, { interfaces: ["eth1"] });
    await answeredBy((await lab.holder()).name, ["eth0", "eth1"]);
  });

  test("row 22: with a node selector, that node on that interface, each in turn", async () => {
    const hosts = lab.topology.nodes;
    const nodes = hosts.map((host) => ({
      ...nodeObject(host),
      metadata: { name: host.name, labels: { name: host.name } },
    }));
    await Promise.all(lab.nodes.map((node) => node.order({ kind: "nodes", nodes })));
    for (const { name } of hosts) {
      await advertise({ interfaces: ["eth1"], ...onNode(name) });
      await answeredBy(name, ["eth1"]);
    }
    await advertise({});
  });

  test("a node without the interface is passed over, and one that loses it gives the address away", async () => {
    const [first, ...others] = lab.nodes;
    await advertise({ interfaces: ["eth1"] });
    for (const { netns } of others) await ip(netns, "link", "set", "eth1", "down");
    await answeredBy(first!.name, ["eth1"]);
    await ip(others[0]!.netns, "link", "set", "eth1", "up");
    await ip(first!.netns, "link", "set", "eth1", "down");
    await answeredBy(others[0]!.name, ["eth1"]);
    for (const { netns } of lab.nodes) await ip(netns, "link", "set", "eth1", "up");
  });
});

describe("a holder whose program was killed", () => {
  test("is answered for on all of its networks, with its hardware address on each", async () => {
    await advertise({ interfaces: ALL });
    const holder = await lab.holder();
    await answeredBy(holder.name, ALL);
    holder.process.kill("SIGKILL");
    await waitFor("its end", () => holder.process.signalCode !== null, { deadline: 5000 });
    await answeredBy(holder.name, ALL);
    holder.start();
    await waitFor("it to hold the address again", async () => (await lab.holder()).name === holder.name, {
      deadline: 20_000,
    });
  });
});

describe("an interface that comes", () => {
  /** Repeated, for heartbeats may come in before the announcement that would be too early. */
  test("with the other nodes behind it: what was taken meanwhile stays, and nothing is announced", {
    repeats: 2,
  }, async () => {
    await advertise({});
    const before = await lab.holder();
    await answeredBy(before.name, ["eth0"]);
    using probe = await lab.probe();
    const cut = Date.now();
    await lab.topology.cutLink(before.name);
    await probe.firstAnswer(cut, ({ mac }) => mac !== before.mac, 5000);
    const back = Date.now();
    await lab.topology.restoreLink(before.name);
    const after = await lab.holder(20_000);
    expect(after.name).not.toBe(before.name);
    await answeredBy(after.name, ["eth0"]);
    const seen = probe.sightings.filter(({ at }) => at >= back).map(({ mac }) => mac);
    expect(new Set(seen)).toEqual(new Set([after.mac]));
  });

  test("up again is announced on at once, on that network", async () => {
    await advertise({ interfaces: ["eth0", "eth1"] });
    const holder = await lab.holder();
    await answeredBy(holder.name, ["eth0", "eth1"]);
    await ip(holder.netns, "link", "set", "eth1", "down");
    await answeredBy(holder.name, ["eth0"]);
    const place = { netns: lab.topology.client.netns, device: "eth1", count: 2 };
    const text = await tcpdump(place, `arp and src ${ADDRESS}`, () => ip(holder.netns, "link", "set", "eth1", "up"));
    const mac = await macOf(holder.netns, "eth1");
    expect(text).toContain(`Request who-has ${ADDRESS} (ff:ff:ff:ff:ff:ff) tell ${ADDRESS}`);
    expect(text).toContain(`Reply ${ADDRESS} is-at ${mac}`);
  });
});
