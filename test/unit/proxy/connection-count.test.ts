import { describe, expect, test } from "vitest";
import { fakeClock, silentLog } from "../../../core/mod.ts";
import { fakeIptables, fakeNft } from "../../../linux/mod.ts";
import { ConnectionCount } from "../../../proxy/connection-count.ts";
import { iptablesBackend } from "../../../proxy/iptables-backend.ts";
import { parseIptablesCounts, parsePacketCounts } from "../../../proxy/iptables-read.ts";
import { nftablesBackend } from "../../../proxy/nftables-backend.ts";
import { parseNftCounts } from "../../../proxy/nftables-read.ts";
import { IPV4, PORTS } from "./cluster.ts";

describe("parseNftCounts()", () => {
  test("reads what nft list set prints", () => {
    const text = `table ip ironbridge-proxy {
\tset connections {
\t\ttype ipv4_addr . inet_proto . inet_service
\t\tsize 65535
\t\tflags dynamic
\t\telements = { 10.96.0.10 . udp . 53 counter packets 3 bytes 87,
\t\t\t     192.168.1.11 . tcp . 30080 counter packets 12 bytes 180 }
\t}
}
`;
    expect([...parseNftCounts(text)]).toEqual([
      ["10.96.0.10 . udp . 53", 3],
      ["192.168.1.11 . tcp . 30080", 12],
    ]);
    expect(parseNftCounts("").size).toBe(0);
  });
});

describe("parseIptablesCounts()", () => {
  test("reads the rules that lead to a Service port's chain, and no others", () => {
    const text = `*nat
:PREROUTING ACCEPT [0:0]
[9:540] -A PREROUTING -j IRON-SERVICES
[9:540] -A IRON-SERVICES -d 10.96.0.0/20 -j IRON-SV-10.96.0.0/20
[3:180] -A IRON-SV-10.96.0.0/24 -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -m comment --comment "shop/web:http" -j IRON-CLU-ABC
[2:120] -A IRON-NP-udp-30016 -p udp -m udp --dport 30053 -m comment --comment "shop/web:dns" -j IRON-EXT-ABC
[1:60] -A OTHER -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -m comment --comment "shop/web:http" -j X
COMMIT
`;
    const found = parseIptablesCounts(text).map(({ key: _, ...rest }) => rest);
    expect(found).toEqual([
      { service: "shop/web", protocol: "tcp", front: "service", port: 80, connections: 3 },
      { service: "shop/web", protocol: "udp", front: "nodeport", port: 30053, connections: 2 },
    ]);
  });
});

describe("parsePacketCounts()", () => {
  test("takes from what came by localhost what was for no node port, and finds what was dropped as INVALID", () => {
    const nat = `*nat
[9:540] -A IRON-SERVICES -d 127.0.0.1/32 -j IRON-LOCALHOST
[9:540] -A IRON-LOCALHOST -j IRON-NODEPORTS
[7:420] -A IRON-LOCALHOST -m comment --comment "no node port"
COMMIT
`;
    const filter = `*filter
[5:300] -A FORWARD -m conntrack --ctstate INVALID -j DROP
[3:180] -A IRON-FORWARD -m conntrack --ctstate INVALID -j DROP
[8:480] -A IRON-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
`;
    expect(parsePacketCounts(nat, filter)).toEqual({ ct_state_invalid_dropped: 3, localhost_nodeports_accepted: 2 });
    expect(parsePacketCounts("", "")).toEqual({ ct_state_invalid_dropped: 0, localhost_nodeports_accepted: 0 });
  });
});

describe("Backend.sizes()", () => {
  const owner = { key: "shop/web", created: 0 };

  test("counts what is wanted", () => {
    const nft = nftablesBackend(fakeNft(), IPV4);
    const iptables = iptablesBackend(fakeIptables(), IPV4);
    const before = { nft: nft.sizes(), iptables: iptables.sizes() };
    for (const backend of [nft, iptables]) backend.replace(owner, [PORTS["cluster IP"]!]);
    expect(nft.sizes().get("chains")).toBe(before.nft.get("chains")! + 1);
    expect(nft.sizes().get("elements")).toBeGreaterThan(before.nft.get("elements")!);
    expect(iptables.sizes().get("nat")).toBeGreaterThan(before.iptables.get("nat")!);
    expect(iptables.sizes().get("filter")).toBeGreaterThan(0);
  });
});

describe("ConnectionCount.read()", () => {
  const log = silentLog();
  const service = () => ({ spec: { ports: [{ name: "http", port: 80 }] } });

  function counting(counts: () => Promise<number>, clock = fakeClock()) {
    const count = { key: "a", service: "shop/web", protocol: "tcp", front: "service", port: 80 } as const;
    const backend = {
      ...nftablesBackend(fakeNft(), IPV4),
      counts: async () => ({ connections: [{ ...count, connections: await counts() }] }),
    };
    return new ConnectionCount({ backends: () => [backend], service, clock, log });
  }
  const sum = async (count: ConnectionCount) => (await count.read()).map(({ connections }) => connections);

  test("reads no oftener than a twentieth of the time", async () => {
    const clock = fakeClock();
    let readings = 0;
    const count = counting(async () => {
      clock.advance(10);
      return ++readings;
    }, clock);
    expect(await sum(count)).toEqual([1]);
    clock.advance(199);
    expect(await sum(count)).toEqual([1]);
    clock.advance(1);
    expect(await sum(count)).toEqual([2]);
  });

  test("shares one reading among those who ask meanwhile", async () => {
    let readings = 0;
    const count = counting(async () => ++readings);
    expect(await Promise.all([sum(count), sum(count)])).toEqual([[1], [1]]);
  });

  test("tells the last reading when one fails", async () => {
    let readings = 0;
    const count = counting(async () => {
      if (++readings === 2) throw new Error("no");
      return readings;
    });
    expect([await sum(count), await sum(count), await sum(count)]).toEqual([[1], [1], [3]]);
  });
});
