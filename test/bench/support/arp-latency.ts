/**
 * A neighbour on the LAN, in the network namespace it is started in: asks for one address after the other and measures how
 * long each answer takes. Argument: JSON { prefix: "10.50", count, own }. Answers every message with ArpLatency of the time
 * since the last one.
 */
import { setPriority } from "node:os";
import { openArpAsker } from "../../support/arp-asker.ts";

export interface ArpLatency {
  /** Milliseconds from question to answer. */
  readonly answers: readonly number[];
  /** Milliseconds by which each question came late: what the machine adds to any time measured on it. */
  readonly late: readonly number[];
  /** Questions that were never answered. */
  readonly unanswered: number;
  /** How often each address was announced unasked. */
  readonly gratuitous: Readonly<Record<string, number>>;
}

/** Milliseconds between two questions. */
const INTERVAL = 4;

// What is measured is the time of the node that answers, not that of the one that asks.
setPriority(-20);
const { prefix, count, own }: { prefix: string; count: number; own: string } = JSON.parse(process.argv[2]!);
const asked = new Map<string, number>();
let answers: number[] = [];
let late: number[] = [];
let gratuitous: Record<string, number> = {};
const asker = openArpAsker(own, ({ address, kind }) => {
  const now = performance.now();
  if (!address.startsWith(prefix)) return;
  if (kind !== "answer") {
    gratuitous[address] = (gratuitous[address] ?? 0) + 1;
    return;
  }
  const since = asked.get(address);
  asked.delete(address);
  if (since !== undefined) answers.push(now - since);
});

let next = 0;
let askedAt = performance.now();
const ask = () => {
  late.push(Math.max(0, performance.now() - askedAt - INTERVAL));
  askedAt = performance.now();
  const address = `${prefix}.${next >> 8}.${next & 0xff}`;
  next = (next + 1) % count;
  asked.set(address, performance.now());
  asker.ask(address);
};
setInterval(ask, INTERVAL);
process.on("message", () => {
  const latency: ArpLatency = { answers, late, unanswered: asked.size, gratuitous };
  answers = [];
  late = [];
  gratuitous = {};
  asked.clear();
  process.send?.(latency);
});
process.on("disconnect", () => process.exit());
