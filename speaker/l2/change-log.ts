import type { Peer } from "../member-table.ts";
import type { Holdings } from "./holdings.ts";
import type { Happening, Status, TakeReason } from "./message.ts";

export interface Sentence {
  readonly event: string;
  readonly fields: object;
  readonly message: string;
}

const SENTENCES = {
  holds: "announces an address",
  handsOver: "hands an address over",
  standsIn: "answers for a member that is restarting",
} as const;

/** What a decision changed, for the log. */
export function changesOf(before: Holdings, after: Holdings): readonly Sentence[] {
  const changes: Sentence[] = [];
  for (const [address, { stance, inNameOf }] of after) {
    const was = before.get(address)?.stance;
    if (stance === was || stance === "ready") continue;
    changes.push({ event: `address.${stance}`, fields: { address, was, inNameOf }, message: SENTENCES[stance] });
  }
  for (const [address, { stance }] of before) {
    const now = after.get(address)?.stance;
    if ((stance !== "holds" && stance !== "handsOver") || (now !== undefined && now !== "ready")) continue;
    changes.push({
      event: "address.released",
      fields: { address, was: stance },
      message: "no longer announces an address",
    });
  }
  return changes;
}

/** The addresses taken by a decision, and why. `status` is what was known before it. */
export function takesOf(before: Holdings, after: Holdings, status: Status, peers: readonly Peer[]): Happening[] {
  const reach = new Map(peers.map((peer) => [peer.name, peer]));
  const reasonOf = (address: string): TakeReason => {
    const { holder } = status.addresses[address] ?? {};
    const peer = holder === undefined ? undefined : reach.get(holder);
    if (peer === undefined) return "free";
    if (peer.reach === "lost") return "holderLost";
    return peer.claims.get(address)?.stance === "holds" ? "taken" : "handedOver";
  };
  return [...after]
    .filter(([address, { stance }]) => stance === "holds" && before.get(address)?.stance !== "holds")
    .map(([address]) => ({ kind: "took", address, reason: reasonOf(address) }));
}

/** Members that fell silent since `before`. One that said good-bye is not lost. */
export function lossesOf(before: Status["members"], peers: readonly Peer[], deadAfter: number): Happening[] {
  return peers
    .filter(
      ({ name, reach, silence }) => reach === "lost" && silence > deadAfter && (before[name] ?? "lost") !== "lost",
    )
    .map(({ name, silence }) => ({ kind: "memberLost", member: name, silence }));
}
