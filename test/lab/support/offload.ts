import { openNetns, readTxChecksum, runInNetns } from "../../../linux/mod.ts";
import { type CniNode, nodeObject } from "./cni-lab.ts";

/** Of the agents' questions and answers. */
export const PORT = 7477;
const OBJECTS = [nodeObject(1), nodeObject(2)];
/** Node 1's ends of the tunnel to node 2's. */
export const ENDS = {
  ipv4: { from: "10.244.1.0", to: "10.244.2.0" },
  ipv6: { from: "fd00:244:1::", to: "fd00:244:2::" },
} as const;

export async function start(...nodes: readonly CniNode[]): Promise<void> {
  // The short way would take TCP past the rules that stand for a broken card.
  for (const node of nodes) node.start(OBJECTS, { routing: "vxlan", fastPath: false });
  await Promise.all(nodes.map((node) => node.whenReady()));
}

/** Whether checksums are left to the tunnel's device. */
export function offloaded({ netns }: CniNode): boolean {
  const namespace = openNetns(`/run/netns/${netns}`);
  try {
    return runInNetns(namespace, () => readTxChecksum("ironvx0"));
  } finally {
    namespace.close();
  }
}

/** Counts the questions and answers that leave `node`, in each family. */
export async function countDatagrams(node: CniNode): Promise<void> {
  const rules = ["ipv4", "ipv6"].map((family) => `meta nfproto ${family} udp dport ${PORT} counter name of_${family}`);
  const chain = `chain leave { type filter hook output priority 0; ${rules.join("; ")}; }`;
  await node.run("nft", `table inet count { counter of_ipv4 { }; counter of_ipv6 { }; ${chain}; }`);
}

export async function counted(node: CniNode): Promise<number[]> {
  const text = await node.run("nft", "-j", "list", "counters", "table", "inet", "count");
  const counters: { counter?: { packets: number } }[] = JSON.parse(text).nftables;
  return counters.flatMap(({ counter }) => (counter === undefined ? [] : [counter.packets]));
}
