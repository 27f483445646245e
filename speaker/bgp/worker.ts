import { randomBytes } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { explainError, systemClock } from "../../core/mod.ts";
import { openRtnetlink, watchRtnetlink } from "../../linux/mod.ts";
import { OWN_LINK_SHAPES } from "../../net/mod.ts";
import { openBfdReceiver } from "../bfd/receiver.ts";
import { openBfdSender } from "../bfd/sender.ts";
import { BfdTable } from "../bfd/table.ts";
import { takeFirstTurn } from "../first-turn.ts";
import { Engine } from "./engine.ts";
import { type Host, nextHopsOf } from "./host.ts";
import { openListeners } from "./listener.ts";
import type { FromWorker, ToWorker } from "./message.ts";
import { openNeighbourWatch } from "./neighbour-watch.ts";
import { dialPeer, Whereabouts } from "./whereabouts.ts";

/**
 * The thread that keeps time: BGP sessions and BFD go on here whatever the main thread does.
 * Only wires; everything it decides is decided in engine.ts, table.ts and below.
 */

/** Milliseconds after which the interfaces are looked at though the kernel said nothing. */
const HOST_INTERVAL = 10_000;
/** Milliseconds between two reports though no session changed: what was counted has. */
const COUNTS_INTERVAL = 1000;

const port = parentPort!;
const tell = (message: FromWorker) => port.postMessage(message);
const rtnetlink = openRtnetlink();
let host: Host = { links: [], addresses: [] };

const onLog = (level: "info" | "warn", event: string, fields: object, message: string) =>
  tell({ kind: "log", level, event, fields, message });

const notFirst = takeFirstTurn();
if (notFirst !== undefined) {
  const hint = "BGP and BFD wait for the processor like everything else; CAP_SYS_NICE lets them go first";
  onLog("info", "bgp.priority", { reason: notFirst }, hint);
}

const whereabouts = new Whereabouts(() => host);
const receiver = openBfdReceiver({
  onPacket: (packet, from, device, multiHop) => bfd.receive(packet, from, device, multiHop),
  onEcho: (from, device) => bfd.noteEcho(from, device),
  onProblem: (udpPort, reason) => onLog("warn", "bfd.socket", { port: udpPort, reason }, "BFD can't hear its peers"),
});
const bfd = new BfdTable({
  clock: systemClock,
  random: Math.random,
  discriminator: () => randomBytes(4).readUInt32BE(),
  openSender: (peer) => openBfdSender(peer, host.links, onLog),
  onDown: (name) => engine.bfdDown(name),
  onChange: () => engine.touch(),
  onLog,
});

const engine = new Engine({
  clock: systemClock,
  random: Math.random,
  dial: (peer) => dialPeer(peer, whereabouts),
  nextHops: (_, local, extended) => nextHopsOf(host, local, extended),
  bfd: {
    setPeers: (peers) => {
      const wanted = peers.flatMap((peer) => whereabouts.bfdPeerOf(peer) ?? []);
      receiver.setPeers(wanted);
      bfd.setPeers(wanted);
    },
    statusOf: (name) => bfd.statusOf(name),
  },
  remoteOf: (peer) => whereabouts.print(peer),
  refusalOf: (peer) => listeners.refusalOf(peer),
  onStatus: (peers) => tell({ kind: "status", peers }),
  onLearned: (learned) => tell({ kind: "learned", learned }),
  onLog,
});
const neighbours = openNeighbourWatch(
  () => host,
  (device, address) => {
    if (whereabouts.noteNeighbour(device, address)) relocate();
  },
  onLog,
);
let unnumbered: readonly string[] = [];
const listeners = openListeners({ accept: (...args) => engine.accept(...args), whereabouts, onLog });

const relocate = () => {
  listeners.retry();
  engine.relocate();
};
const readHost = () => {
  host = { links: rtnetlink.links(), addresses: rtnetlink.addresses() };
  neighbours.setInterfaces(unnumbered);
  relocate();
};
const changes = watchRtnetlink(["link", "address"], readHost, { ignore: OWN_LINK_SHAPES }); // pods come and go
const resync = setInterval(readHost, HOST_INTERVAL);
const report = setInterval(() => engine.touch(), COUNTS_INTERVAL);

const leave = async () => {
  await engine.leave();
  listeners.close();
  neighbours.close();
  receiver.close();
  changes.close();
  clearInterval(resync);
  clearInterval(report);
  rtnetlink.close();
  port.close();
};

port.on("message", (message: ToWorker) => {
  switch (message.kind) {
    case "assign":
      unnumbered = message.assignment.peers.flatMap(({ target }) => (target.kind === "interface" ? [target.name] : []));
      neighbours.setInterfaces(unnumbered);
      listeners.set(message.assignment);
      engine.assign(message.assignment);
      break;
    case "routes":
      engine.change(message.set, message.remove);
      // What has come in meanwhile, and timers, have their turn before there is more.
      setImmediate(() => tell({ kind: "taken" }));
      break;
    case "leave":
      leave().catch((error) => onLog("warn", "bgp.leave", { reason: explainError(error) }, "could not end in order"));
  }
});

readHost();
