import { describe, expect, test } from "vitest";
import { parsePrefix } from "../../../net/mod.ts";
import { iptablesItems, iptablesNodeItems } from "../../../proxy/iptables.ts";
import { iptablesFixedItems } from "../../../proxy/iptables-chain.ts";
import { printIptablesChanges } from "../../../proxy/iptables-text.ts";
import { type Item, Ledger } from "../../../proxy/ledger.ts";
import { nftFixedItems, nftItems, nftNodeItems } from "../../../proxy/nftables.ts";
import { printNftChanges, printNftTable } from "../../../proxy/nftables-text.ts";
import type { ServicePort } from "../../../proxy/service-port.ts";
import { type FamilySettings, familySettings } from "../../../proxy/settings.ts";
import { IPV4, IPV6, PORTS } from "./cluster.ts";

const NODE = { ipv4: ["192.168.1.11"], ipv6: ["fd00:1::11"] };

function ledgerOf(items: readonly Item[]): Ledger {
  const ledger = new Ledger();
  ledger.replace({ key: "test", created: 0 }, items);
  return ledger;
}

/** What each kind of Service port needs, one after the other. */
function forEachPort(print: (port: ServicePort, settings: FamilySettings) => string): string {
  const texts = Object.entries(PORTS).map(([name, port]) => {
    return `# ${name}\n${print(port, port.family === "ipv4" ? IPV4 : IPV6)}`;
  });
  return texts.join("\n");
}

describe("nftItems()", () => {
  const print = (items: readonly Item[], { family }: FamilySettings) =>
    [...printNftChanges(family, ledgerOf(items), 4096)].join("");

  test("prints what is there without Services", async () => {
    const text = [IPV4, IPV6].map((settings) => {
      const items = [...nftFixedItems(settings), ...nftNodeItems(NODE[settings.family])];
      return printNftTable(settings.family) + print(items, settings);
    });
    await expect(text.join("\n")).toMatchFileSnapshot("../../golden/proxy/nftables-empty.nft");
  });

  test("prints each kind of Service port", async () => {
    const text = forEachPort((port, settings) => print(nftItems(port, settings), settings));
    await expect(text).toMatchFileSnapshot("../../golden/proxy/nftables-ports.nft");
  });

  test("masquerades nothing on its way to a cluster IP when it can't tell pods from others", () => {
    const blind = familySettings("ipv4", { clusterCidrs: [] });
    expect(print(nftItems(PORTS["cluster IP"]!, blind), blind)).not.toContain("masquerade-mark");
  });
});

describe("iptablesItems()", () => {
  const print = (items: readonly Item[]) => printIptablesChanges(ledgerOf(items), 20_000).join("");

  test("prints what is there without Services", async () => {
    const text = [IPV4, IPV6].map((settings) => {
      return print([...iptablesFixedItems(settings, true), ...iptablesNodeItems(NODE[settings.family])]);
    });
    await expect(text.join("\n")).toMatchFileSnapshot("../../golden/proxy/iptables-empty.rules");
  });

  test("prints each kind of Service port", async () => {
    const text = forEachPort((port, settings) => print(iptablesItems(port, settings)));
    await expect(text).toMatchFileSnapshot("../../golden/proxy/iptables-ports.rules");
  });

  test("masquerades nothing on its way to a cluster IP when it can't tell pods from others", () => {
    const blind = familySettings("ipv4", { clusterCidrs: [] });
    expect(print(iptablesItems(PORTS["cluster IP"]!, blind))).not.toContain("IRON-OUTSIDE");
  });

  test("counts what goes to node ports of localhost where there are some", () => {
    const open = familySettings("ipv4", { clusterCidrs: [], nodePortAddresses: [parsePrefix("127.0.0.0/8")] });
    const text = print([...iptablesFixedItems(open, true), ...iptablesNodeItems(["127.0.0.1", "192.168.1.11"])]);
    expect(text).toContain("-A IRON-SERVICES -d 127.0.0.1/32 -j IRON-LOCALHOST\n");
    expect(text).toContain("-A IRON-LOCALHOST -j IRON-NODEPORTS\n");
    expect(text).toContain("-A IRON-SERVICES -d 192.168.1.11/32 -j IRON-NODEPORTS\n");
    expect(print(iptablesFixedItems(IPV4, true))).not.toContain("IRON-LOCALHOST");
  });

  test("drops what connection tracking can't place, unless that takes packets outside of their window for its own", () => {
    const drop = "-A IRON-FORWARD -m conntrack --ctstate INVALID -j DROP";
    expect(print(iptablesFixedItems(IPV4, true))).toContain(drop);
    const liberal = familySettings("ipv4", { clusterCidrs: [] }, { isTcpLiberal: true });
    expect(print(iptablesFixedItems(liberal, true))).not.toContain(drop);
  });

  test("leaves --random-fully out where the program does not know it", () => {
    expect(print(iptablesFixedItems(IPV4, false))).not.toContain("random-fully");
  });

  test("gives no chain a name longer than the kernel takes", () => {
    const wide = { ...PORTS.IPv6!, clusterIp: "fd00:1234:5678:9abc:def0:1234:5678:9abc" };
    const v4 = { ...PORTS["cluster IP"]!, clusterIp: "255.255.255.255", protocol: "sctp" as const, nodePort: 65535 };
    const names = [
      ...print(iptablesItems(wide, IPV6)).matchAll(/^:(\S+)/gm),
      ...print(iptablesItems(v4, IPV4)).matchAll(/^:(\S+)/gm),
    ];
    expect(Math.max(...names.map(([, name = ""]) => name.length))).toBeLessThanOrEqual(28);
  });
});
