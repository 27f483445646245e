import type { V1Node } from "../kube/mod.ts";
import { type NodeStanding, type ServiceFacts, type ServiceRefusal, standingOf } from "./decide.ts";
import type { Status } from "./l2/message.ts";
import { heededNodes } from "./node-condition.ts";

/** One address as the speaker of this node sees it. */
export interface AddressState {
  readonly address: string;
  readonly services: readonly string[];
  /** The node that announces it. */
  readonly holder?: string;
  /** What this node does about it: ready, holds, handsOver or standsIn; absent when it can't announce it. */
  readonly stance?: string;
  /** Every node, and why it may announce the address or not. */
  readonly nodes: Readonly<Record<string, NodeStanding>>;
}

export interface SpeakerState {
  readonly listening: boolean;
  readonly members: Status["members"];
  readonly interfaces: readonly string[];
  readonly addresses: readonly AddressState[];
  /** Services with an address that no node announces, and why. */
  readonly refused: Readonly<Record<string, ServiceRefusal>>;
}

/** Why this node takes no part yet, in words; undefined when it does. */
export function problemOf({ listening, members }: Status): string | undefined {
  if (!listening) return undefined;
  const others = Object.entries(members).map(([name, reach]) => `${name} is ${reach}`);
  return `it has not heard yet who announces what; ${others.join(", ") || "no other member is known"}`;
}

/** What the speaker knows, for people. */
export function stateOf(
  facts: ReadonlyMap<string, ServiceFacts>,
  nodes: readonly V1Node[],
  status: Status,
): SpeakerState {
  const addresses = new Map<string, AddressState>();
  const refused: Record<string, ServiceRefusal> = {};
  const heeded = heededNodes(nodes);
  for (const [service, each] of facts) {
    if (each.refused !== undefined) refused[service] = each.refused;
    for (const address of each.addresses) {
      const { holder, own } = status.addresses[address] ?? {};
      const standings = heeded.map((node) => [node.metadata?.name ?? "", standingOf(each, node)] as const);
      addresses.set(address, {
        address,
        services: [...(addresses.get(address)?.services ?? []), service],
        ...(holder === undefined ? {} : { holder }),
        ...(own === undefined ? {} : { stance: own.stance }),
        nodes: each.refused === undefined ? Object.fromEntries(standings) : {},
      });
    }
  }
  const { listening, members, interfaces } = status;
  return { listening, members, interfaces, addresses: [...addresses.values()], refused };
}
