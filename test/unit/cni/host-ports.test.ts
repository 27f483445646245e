import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type HostPort, type HostPortOwner, hostPortElements } from "../../../cni/host-port.ts";
import { readHostPortTable } from "../../../cni/host-port-table.ts";
import { hostPorts } from "../../../cni/host-ports.ts";
import { type Flow, type FlowFilter, fakeNft, type Nft } from "../../../linux/mod.ts";
import { type Address, parseAddress, printAddress } from "../../../net/mod.ts";

const TABLE = "list table inet ironbridge_hostport";
const NODE = ["192.168.1.11", "127.0.0.1"].map(parseAddress);

const port = (hostPort: number, fields: Partial<HostPort> = {}): HostPort => ({
  protocol: "tcp",
  hostPort,
  containerPort: 80,
  ...fields,
});
const owner = (containerId: string, address: string, ...ports: readonly HostPort[]): HostPortOwner => ({
  key: { containerId, ifname: "eth0" },
  addresses: [parseAddress(address)],
  hostPorts: ports,
});
const flow = (source: string, destination: string, destinationPort: number): Flow => {
  const ends = { source: parseAddress(source), sourcePort: 1000, destination: parseAddress(destination) };
  return { protocol: 17, original: { ...ends, destinationPort }, reply: { ...ends, destinationPort } };
};

function fixture(owners: readonly HostPortOwner[] = [], nft: Nft & { dump(): string } = fakeNft()) {
  const flows: Flow[] = [];
  const conntrack = {
    flows: ({ destinationPort }: FlowFilter) => flows.filter((f) => f.original.destinationPort === destinationPort),
    remove: (gone: Flow) => void flows.splice(flows.indexOf(gone), 1),
  };
  const ports = hostPorts({ nft: async () => nft, conntrack, addresses: () => NODE }, owners);
  const elements = async () => Object.fromEntries(readHostPortTable((await nft.list(TABLE)) ?? "").elements);
  return { ports, nft, flows, elements };
}

describe("hostPortElements()", () => {
  const cases: { name: string; owners: readonly HostPortOwner[]; want: Record<string, string> }[] = [
    { name: "gives nothing without ports", owners: [owner("a", "10.0.0.2")], want: {} },
    {
      name: "serves every address of the node, or one",
      owners: [owner("a", "10.0.0.2", port(8080), port(53, { protocol: "udp", hostAddress: NODE[0]! }))],
      want: {
        "any_v4 tcp . 8080": "10.0.0.2 . 80",
        "own_v4 192.168.1.11 . udp . 53": "10.0.0.2 . 80",
        "hairpin_v4 10.0.0.2 . 10.0.0.2": "",
      },
    },
    {
      name: "takes 0.0.0.0 and :: for all of one family",
      owners: [
        { ...owner("a", "10.0.0.2", port(1, { hostAddress: parseAddress("0.0.0.0") })) },
        { ...owner("b", "fd00::2", port(1, { hostAddress: parseAddress("::") })) },
      ],
      want: {
        "any_v4 tcp . 1": "10.0.0.2 . 80",
        "hairpin_v4 10.0.0.2 . 10.0.0.2": "",
        "any_v6 tcp . 1": "fd00::2 . 80",
        "hairpin_v6 fd00::2 . fd00::2": "",
      },
    },
    {
      name: "leaves out an address of the other family",
      owners: [owner("a", "fd00::2", port(1, { hostAddress: NODE[0]! }))],
      want: {},
    },
    {
      name: "gives a port that two want to the later one",
      owners: [owner("a", "10.0.0.2", port(1)), owner("b", "10.0.0.3", port(1))],
      want: {
        "any_v4 tcp . 1": "10.0.0.3 . 80",
        "hairpin_v4 10.0.0.2 . 10.0.0.2": "",
        "hairpin_v4 10.0.0.3 . 10.0.0.3": "",
      },
    },
  ];
  test.each(cases)("$name", ({ owners, want }) => {
    const elements = [...hostPortElements(owners)].map(([name, { value }]) => [name, value]);
    expect(Object.fromEntries(elements)).toEqual(want);
  });
});

describe("hostPorts()", () => {
  test("opens and closes with one element each, and gives a port back to who had it before", async () => {
    const { ports, elements } = fixture();
    await ports.repair();
    await ports.open(owner("a", "10.0.0.2", port(8080)));
    await ports.open(owner("b", "10.0.0.3", port(8080)));
    expect(await elements()).toMatchObject({ "any_v4 tcp . 8080": "10.0.0.3 . 80" });
    await ports.close({ containerId: "b", ifname: "eth0" });
    expect(await elements()).toMatchObject({ "any_v4 tcp . 8080": "10.0.0.2 . 80" });
    await ports.close({ containerId: "a", ifname: "eth0" });
    await ports.close({ containerId: "a", ifname: "eth0" });
    expect(await elements()).toEqual({});
  });

  test("writes nothing for pods without ports", async () => {
    const nft = fakeNft();
    const { ports } = fixture([], nft);
    await ports.repair();
    const before = nft.applied.length;
    await ports.open(owner("a", "10.0.0.2"));
    await ports.close({ containerId: "a", ifname: "eth0" });
    expect(nft.applied.length).toBe(before);
  });

  test("begins with the pods from before", async () => {
    const { ports, elements } = fixture([owner("a", "10.0.0.2", port(8080))]);
    await ports.repair();
    expect(await elements()).toMatchObject({ "any_v4 tcp . 8080": "10.0.0.2 . 80" });
  });

  const damages = [
    { name: "the table", script: "delete table inet ironbridge_hostport" },
    { name: "an element", script: "delete element inet ironbridge_hostport any_v4 { tcp . 8080 }" },
    { name: "the rules", script: "flush chain inet ironbridge_hostport prerouting" },
  ];
  test.each(damages)("repairs a table without $name, also when a pod comes first", async ({ script }) => {
    for (const how of ["repair", "open"] as const) {
      const { ports, nft, elements } = fixture([owner("a", "10.0.0.2", port(8080))]);
      await ports.repair();
      const whole = nft.dump();
      await nft.apply(script);
      expect(nft.dump()).not.toBe(whole);
      if (how === "open") await ports.open(owner("b", "10.0.0.3", port(9090)));
      await ports.repair();
      expect(await elements()).toMatchObject({ "any_v4 tcp . 8080": "10.0.0.2 . 80" });
      expect(await ports.missing({ containerId: "a", ifname: "eth0" })).toEqual([]);
    }
  });

  test("names ports that do not lead to their pod", async () => {
    const { ports, nft } = fixture([owner("a", "10.0.0.2", port(8080))]);
    await ports.repair();
    await nft.apply("delete element inet ironbridge_hostport any_v4 { tcp . 8080 }");
    expect(await ports.missing({ containerId: "a", ifname: "eth0" })).toEqual(["tcp . 8080 to 10.0.0.2 . 80"]);
    expect(await ports.missing({ containerId: "z", ifname: "eth0" })).toEqual([]);
  });

  test("forgets a pod whose ports the kernel refuses", async () => {
    const nft = fakeNft();
    let broken = false;
    const apply = (script: string) => (broken ? Promise.reject(new Error("no memory")) : nft.apply(script));
    const { ports, elements } = fixture([], { ...nft, apply });
    await ports.repair();
    broken = true;
    await expect(ports.open(owner("a", "10.0.0.2", port(8080)))).rejects.toThrow("no memory");
    broken = false;
    await ports.repair();
    expect(await elements()).toEqual({});
  });

  test("ends UDP flows to the node's port when it gets or loses a pod, and no flow through the node", async () => {
    const { ports, flows } = fixture();
    await ports.repair();
    const dns = port(53, { protocol: "udp", containerPort: 5353 });
    const stale = () => flow("192.168.1.10", "192.168.1.11", 53);
    const through = flow("10.0.0.9", "8.8.8.8", 53);
    flows.push(stale(), through);
    await ports.open(owner("a", "10.0.0.2", dns));
    expect(flows).toEqual([through]);
    flows.push(stale());
    await ports.close({ containerId: "a", ifname: "eth0" });
    expect(flows).toEqual([through]);
  });

  test("ends UDP flows to ports whose pod changed when the table is written anew", async () => {
    const dns = (hostPort: number, hostAddress?: Address) =>
      port(hostPort, { protocol: "udp", ...(hostAddress && { hostAddress }) });
    const before = fixture([owner("a", "10.0.0.2", dns(53), dns(54), dns(55, NODE[0]!), dns(56))]);
    await before.ports.repair();
    // An agent that starts knows other pods than the table has: 53 stays, 54 moves, 55 and 56 go, 57 is new.
    const after = fixture([owner("a", "10.0.0.2", dns(53)), owner("b", "10.0.0.3", dns(54), dns(57))], before.nft);
    const kept = [flow("192.168.1.10", "192.168.1.11", 53), flow("192.168.1.10", "8.8.8.8", 54)];
    const ended = [54, 55, 56, 57].map((number) => flow("192.168.1.10", "192.168.1.11", number));
    after.flows.push(...kept, ...ended);
    await after.ports.repair();
    expect(after.flows).toEqual(kept);
  });

  test("ends up with exactly the ports of the pods there are, whatever the order", async () => {
    const ids = ["a", "b", "c"];
    const step = fc.record({ id: fc.nat({ max: 2 }), open: fc.boolean(), hostPort: fc.integer({ min: 1, max: 3 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const { ports, elements } = fixture();
        const pods = new Map<string, HostPortOwner>();
        const work = steps.map(({ id, open, hostPort }) => {
          const name = ids[id]!;
          const pod = owner(name, printAddress({ family: "ipv4", value: BigInt(id + 1) }), port(hostPort));
          pods.delete(name);
          if (open) pods.set(name, pod);
          return open ? ports.open(pod) : ports.close(pod.key);
        });
        await Promise.all(work);
        await ports.repair();
        const want = [...hostPortElements(pods.values())].map(([name, { value }]) => [name, value]);
        expect(await elements()).toEqual(Object.fromEntries(want));
      }),
      { numRuns: 50 },
    );
  });
});
