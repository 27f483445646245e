import { type Clock, fakeClock } from "../../../../core/mod.ts";
import { parsePrefix } from "../../../../net/mod.ts";
import { Engine } from "../../../../speaker/l2/engine.ts";
import type { HostLink } from "../../../../speaker/l2/interfaces.ts";
import type { Announcement, Happening, Status } from "../../../../speaker/l2/message.ts";
import type { Answer, Responder } from "../../../../speaker/l2/responder.ts";
import { ETHERNET } from "./ethernet.ts";

/** The members' secret. */
export const KEY = new Uint8Array(32).fill(7);
/** The link of the heartbeats. */
export const ETH0: HostLink = { ...ETHERNET, subnets: [parsePrefix("192.168.1.0/24")], speaksIpv6: false };

/** A link to another network. */
export const ETH1: HostLink = {
  ...ETH0,
  index: 3,
  name: "eth1",
  mac: Uint8Array.of(2, 0, 0, 0, 1, 1),
  subnets: [parsePrefix("10.0.0.0/8")],
};

/** One node of the fake LAN: its engine, and whether its program and its machine run. */
export interface FakeNode {
  readonly name: string;
  engine: Engine;
  status: Status | undefined;
  answers: ReadonlyMap<string, Answer>;
  readonly announced: { readonly address: string; readonly at: number }[];
  /** up; stopped: frozen with all it knows; killed: program gone, kernel there; dead: machine gone. */
  state: "up" | "stopped" | "killed" | "dead";
  life: number;
  /** How far its clock is ahead of the others'. */
  ahead: number;
  /** The events that were logged. */
  readonly logs: string[];
  /** What it was told to announce last. */
  assigned: readonly Announcement[];
  readonly happenings: Happening[];
  readonly held: (() => void)[];
  readonly heldTimers: (() => void)[];
}

/** Engines on one clock, and a network between them that loses what it is told to lose. Latency is 1 ms. */
export function fakeLan(names: readonly string[], announcements: readonly Announcement[]) {
  const clock = fakeClock(1000);
  const nodes = new Map<string, FakeNode>();
  /** Nodes that the cluster does not tell of, or tells to be out of service. */
  const unnamed = new Set<string>();
  let passes: (from: string, to: string) => boolean = () => true;

  const nodeOf = (name: string) => {
    const node = nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  };

  const deliver = (from: FakeNode, to: FakeNode, datagram: Uint8Array) => {
    if (to.state === "dead") return;
    if (to.state === "killed") return clock.after(1, () => from.state === "up" && from.engine.refused(to.name));
    const life = to.life;
    const hear = () => to.life === life && to.engine.receive(datagram, from.name);
    if (to.state === "stopped") to.held.push(hear);
    else hear();
  };

  const start = (node: FakeNode, assigned: readonly Announcement[] | undefined) => {
    const life = ++node.life;
    const nodeClock: Clock = {
      now: () => clock.now() + node.ahead,
      date: () => {
        throw new Error("no decision may depend on the wall clock: it jumps");
      },
      after: (ms, run) => {
        let cancelled = false;
        clock.after(ms, () => {
          const guarded = () => !cancelled && node.life === life && run();
          if (node.state === "up") guarded();
          else if (node.state === "stopped") node.heldTimers.push(guarded);
        });
        return () => {
          cancelled = true;
        };
      },
    };
    const responder: Responder = {
      setLinks: () => {},
      setAnswers: (answers) => {
        node.answers = answers;
      },
      announce: (address) => node.announced.push({ address, at: clock.now() }),
      takeCounts: () => new Map(),
      close: () => {},
    };
    node.state = "up";
    node.answers = new Map();
    node.engine = new Engine(
      { node: node.name, key: KEY, epoch: BigInt(life * 1000 + names.indexOf(node.name) + 1) },
      {
        clock: nodeClock,
        random: () => 0.5,
        responder,
        send: (to, datagram) => {
          if (!passes(node.name, to)) return;
          clock.after(1, () => deliver(node, nodeOf(to), datagram));
        },
        onStatus: (status) => {
          node.status = status;
        },
        onHappening: (happening) => node.happenings.push(happening),
        onLog: (_, event) => node.logs.push(event),
      },
    );
    node.engine.setLinks([ETH0]);
    if (assigned !== undefined) assign(node, assigned);
  };

  const assign = (node: FakeNode, assigned: readonly Announcement[]) => {
    node.assigned = assigned;
    const others = names.filter((name) => name !== node.name && !unnamed.has(name));
    const peers = others.map((name) => ({ name, address: `192.168.1.${11 + names.indexOf(name)}` }));
    node.engine.assign({ peers, announcements: assigned, settled: true });
  };

  for (const name of names) {
    const node = {
      name,
      status: undefined,
      answers: new Map(),
      announced: [],
      state: "up",
      life: 0,
      ahead: 0,
      logs: [],
      assigned: [],
      happenings: [],
      held: [],
      heldTimers: [],
    };
    nodes.set(name, node as unknown as FakeNode);
  }

  return {
    clock,
    node: nodeOf,
    /** Starts the program of a node that is not running. */
    start: (name: string, assigned = announcements) => start(nodeOf(name), assigned),
    /** The same while its main thread does not know the cluster yet: assign() comes later. */
    startIgnorant: (name: string) => start(nodeOf(name), undefined),
    startAll: () => {
      for (const node of nodes.values()) start(node, announcements);
    },
    assign: (name: string, assigned: readonly Announcement[]) => assign(nodeOf(name), assigned),
    /** Tells all that are there that the node is a member, or none. */
    setMember: (name: string, is: "named" | "unnamed") => {
      if (is === "named") unnamed.delete(name);
      else unnamed.add(name);
      for (const node of nodes.values()) if (node.state === "up") assign(node, node.assigned);
    },
    setLinks: (name: string, links: "up" | "down" | readonly HostLink[]) =>
      nodeOf(name).engine.setLinks(links === "up" ? [ETH0] : links === "down" ? [] : links),
    /** Its link, up, with another hardware address, as a bond has that fails over. */
    setMac: (name: string, mac: Uint8Array) => nodeOf(name).engine.setLinks([{ ...ETH0, mac }]),
    /** Its link, up, in other subnets. */
    setSubnets: (name: string, subnets: readonly string[]) =>
      nodeOf(name).engine.setLinks([{ ...ETH0, subnets: subnets.map(parsePrefix) }]),
    kill: (name: string) => {
      nodeOf(name).state = "killed";
      nodeOf(name).life++;
    },
    die: (name: string) => {
      nodeOf(name).state = "dead";
      nodeOf(name).life++;
    },
    stop: (name: string) => {
      nodeOf(name).state = "stopped";
    },
    /** Sets the clock of a node forward, as after its machine was suspended. */
    jump: (name: string, ms: number) => {
      nodeOf(name).ahead += ms;
    },
    /** Lets a stopped program go on: with its timers that fell due, and with what came in meanwhile. */
    resume: (name: string, first: "timers" | "datagrams" = "timers") => {
      const node = nodeOf(name);
      node.state = "up";
      const timers = node.heldTimers.splice(0);
      const datagrams = node.held.splice(0);
      for (const run of first === "timers" ? [...timers, ...datagrams] : [...datagrams, ...timers]) run();
    },
    /** Decides which datagrams pass from now on. */
    setNetwork: (decide: (from: string, to: string) => boolean) => {
      passes = decide;
    },
    /** Who would answer a client's request for `address` now, and in whose name. */
    answering: (address: string) =>
      [...nodes.values()]
        .filter(({ state, engine, answers }) => state === "up" && engine.mayAnswer && answers.has(address))
        .map(({ name, answers }) => ({ name, mac: answers.get(address)?.inNameOf ?? name })),
    /** Nodes that answer in their own name. */
    owners: (address: string) =>
      [...nodes.values()]
        .filter(({ state, engine }) => state === "up" && engine.mayAnswer)
        .filter(({ answers }) => answers.has(address) && answers.get(address)?.inNameOf === undefined)
        .map(({ name }) => name),
  };
}

export type FakeLan = ReturnType<typeof fakeLan>;

/** An announcement with nothing special about it. */
export function announcement(address: string, more: Partial<Announcement> = {}): Announcement {
  return { address, rankAddress: address, score: 0, interfaces: "all", rule: "sticky", ...more };
}
