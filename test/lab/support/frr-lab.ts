import { waitFor } from "../../support/wait.ts";
import {
  type BgpLab,
  type BgpNode,
  isUp,
  NAMESPACE,
  peerObject,
  ROUTER,
  startBgpLab,
  VIP,
  webService,
} from "./bgp-lab.ts";
import type { BgpObjects } from "./bgp-node.ts";
import { type Frr, startFrr } from "./frr.ts";

/** Key of the IPv6 sessions, as the router and the Secret have it. */
export const SECRET_KEY = "correct-horse";
const DEADLINE = { deadline: 15_000 };

/** A way to a prefix, as FRR shows it. */
export interface Path {
  readonly aspath: { readonly string: string };
  readonly metric?: number;
  readonly community?: { readonly string: string };
  readonly largeCommunity?: { readonly string: string };
  readonly nexthops: readonly { readonly ip: string; readonly scope?: string }[];
}

/** Two nodes with one session of each family to one FRR. */
export interface FrrLab extends AsyncDisposable {
  readonly lab: BgpLab;
  readonly frr: Frr;
  readonly first: BgpNode;
  /** What FRR says of a prefix. */
  prefix(prefix: string): Promise<Record<string, unknown>>;
  paths(prefix: string): Promise<readonly Path[]>;
  /** Waits until FRR knows `prefix` by exactly these next hops. */
  pathsVia(prefix: string, nextHops: readonly string[]): Promise<readonly Path[]>;
  /** Waits until FRR knows a prefix of each family from every node: the Service `web`'s when none are given. */
  announcedByAll(v4?: string, v6?: string): Promise<void>;
  /** The objects that are new or other, for every node. */
  set(objects: Partial<BgpObjects>): Promise<void>;
  remove(from: keyof BgpObjects, key: string): Promise<void>;
}

const passwordSecret = { name: "key", namespace: NAMESPACE };
/** The BGPPeer of the IPv4 sessions. */
export const routerPeer = (times: { readonly holdTime: string; readonly keepaliveTime: string }) =>
  peerObject({ bfdProfile: "fast", connectTime: "5s", routerID: "", ...times });

export async function startFrrLab(tag: string): Promise<FrrLab> {
  const peers = [
    routerPeer({ holdTime: "30s", keepaliveTime: "10s" }),
    peerObject({ peerAddress: ROUTER.v6, bfdProfile: "plain", passwordSecret }, "router6"),
  ];
  const lab = await startBgpLab({
    tag,
    nodes: 2,
    objects: () => ({
      bgpPeers: peers,
      services: [webService({}, [VIP.v4, VIP.v6])],
      secrets: [
        {
          metadata: { name: "key", namespace: NAMESPACE },
          type: "kubernetes.io/basic-auth",
          data: { password: Buffer.from(SECRET_KEY).toString("base64") },
        },
      ],
      bfdProfiles: [
        {
          metadata: { name: "fast", namespace: NAMESPACE },
          spec: { transmitInterval: 100, receiveInterval: 150, detectMultiplier: 4 },
        },
        { metadata: { name: "plain", namespace: NAMESPACE }, spec: {} },
      ],
      communities: [
        { metadata: { name: "c", namespace: NAMESPACE }, spec: { communities: [{ name: "gold", value: "64512:77" }] } },
      ],
    }),
  });
  const [first] = lab.nodes as [BgpNode];
  const frr = await startFrr(lab, [
    "bfd",
    " profile fast",
    "  transmit-interval 100",
    "  receive-interval 150",
    "router bgp 64512",
    " bgp router-id 192.0.2.1",
    " no bgp ebgp-requires-policy",
    " no bgp default ipv4-unicast",
    " no bgp network import-check",
    " bgp bestpath as-path multipath-relax",
    ...lab.nodes.flatMap(({ v4, v6 }) => [
      ` neighbor ${v4} remote-as 64513`,
      ` neighbor ${v4} bfd profile fast`,
      ` neighbor ${v4} timers connect 1`,
      ` neighbor ${v6} remote-as 64513`,
      ` neighbor ${v6} bfd`,
      ` neighbor ${v6} password ${SECRET_KEY}`,
      ` neighbor ${v6} timers connect 1`,
    ]),
    " address-family ipv4 unicast",
    "  network 10.99.0.0/16",
    "  maximum-paths 8",
    ...lab.nodes.map(({ v4 }) => `  neighbor ${v4} activate`),
    " exit-address-family",
    " address-family ipv6 unicast",
    "  network 2001:db8:99::/48",
    "  maximum-paths 8",
    ...lab.nodes.map(({ v6 }) => `  neighbor ${v6} activate`),
    " exit-address-family",
  ]);
  for (const node of lab.nodes) await node.until("sessions", (all) => isUp(all) && isUp(all, "router6"), 30_000);

  const prefixOf = (prefix: string) => frr.show(`show bgp ${prefix.includes(":") ? "ipv6" : "ipv4"} unicast ${prefix}`);
  const paths = async (prefix: string) => ((await prefixOf(prefix)).paths ?? []) as readonly Path[];
  const pathsVia = (prefix: string, nextHops: readonly string[]) => {
    const look = async () => {
      const found = await paths(prefix);
      const ips = found.map(({ nexthops }) => nexthops[0]?.ip ?? "").sort();
      return ips.join() === [...nextHops].sort().join() && found;
    };
    return waitFor(`${prefix} via ${nextHops.join(" and ")}`, look, DEADLINE);
  };
  return {
    lab,
    frr,
    first,
    prefix: prefixOf,
    paths,
    pathsVia,
    announcedByAll: async (v4 = `${VIP.v4}/32`, v6 = `${VIP.v6}/128`) => {
      await pathsVia(
        v4,
        lab.nodes.map((node) => node.v4),
      );
      await pathsVia(
        v6,
        lab.nodes.map((node) => node.v6),
      );
    },
    set: async (objects) => {
      for (const node of lab.nodes) await node.order({ kind: "set", objects });
    },
    remove: async (from, key) => {
      for (const node of lab.nodes) await node.order({ kind: "delete", from, keys: [key] });
    },
    [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose](),
  };
}
