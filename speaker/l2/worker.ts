import { randomBytes } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../../core/mod.ts";
import { openRtnetlink, watchRtnetlink } from "../../linux/mod.ts";
import { OWN_LINK_SHAPES } from "../../net/mod.ts";
import { takeFirstTurn } from "../first-turn.ts";
import { openMemberSocket } from "../member-socket.ts";
import { openArpResponder } from "./arp-responder.ts";
import { Engine } from "./engine.ts";
import { excludedPatterns, hostLinks } from "./interfaces.ts";
import type { FromWorker, Leaving, ToWorker, WorkerOptions } from "./message.ts";
import { openNdpResponder } from "./ndp-responder.ts";
import { bothResponders, type ResponderOptions } from "./responder.ts";

/**
 * The thread that keeps time: heartbeats, election and answers go on here whatever the main thread does.
 * Only wires; everything it decides is decided in engine.ts and below.
 */

/** Milliseconds between two reports of what was counted. */
const COUNTS_INTERVAL = 1000;
/** Milliseconds after which the interfaces are looked at though the kernel said nothing. */
const LINKS_INTERVAL = 10_000;

const port = parentPort!;
const { node, key, port: memberPort, excludedInterfaces }: WorkerOptions = workerData;
const excluded = excludedPatterns(excludedInterfaces);
const tell = (message: FromWorker) => port.postMessage(message);
const rtnetlink = openRtnetlink();

const log = (level: "debug" | "info" | "warn", event: string, fields: object, message: string) =>
  tell({ kind: "log", level, event, fields, message });

const notFirst = takeFirstTurn();
if (notFirst !== undefined) {
  const hint = "ARP and heartbeats wait for the processor like everything else; CAP_SYS_NICE lets them go first";
  log("info", "speaker.priority", { reason: notFirst }, hint);
}

const responding: ResponderOptions = {
  mayAnswer: () => engine.mayAnswer,
  macOf: (node, link) => engine.macOf(node, link),
  onForeigner: (foreigner) => engine.meet(foreigner),
  onProblem: (event, fields, message) => log("warn", event, fields, message),
};
const responder = bothResponders(openArpResponder(responding), openNdpResponder(responding));

const problems = new Map<string, string>();
const members = openMemberSocket({
  port: memberPort,
  onDatagram: (datagram, from) => engine.receive(datagram, from),
  onRefused: (name) => engine.refused(name),
  onProblem: (name, reason) => {
    if (problems.get(name) === reason) return;
    problems.set(name, reason);
    log("warn", "member.send", { member: name, reason }, "could not send a heartbeat");
  },
});

const engine = new Engine(
  { node, key, epoch: randomBytes(8).readBigUInt64BE() | 1n },
  {
    clock: systemClock,
    random: Math.random,
    send: members.send,
    responder,
    onStatus: (status) => tell({ kind: "status", status }),
    onHappening: (happening) => tell({ kind: "happening", happening }),
    onLog: log,
  },
);

const readLinks = () => engine.setLinks(hostLinks(rtnetlink.links(), rtnetlink.addresses(), excluded));
const links = watchRtnetlink(["link", "address"], readLinks, { ignore: OWN_LINK_SHAPES }); // pods come and go
const resync = setInterval(readLinks, LINKS_INTERVAL);
const report = setInterval(() => {
  const counts = responder.takeCounts();
  if (counts.size > 0) tell({ kind: "counts", counts });
}, COUNTS_INTERVAL);

const leave = async (how: Leaving) => {
  await engine.leave(how);
  links.close();
  clearInterval(resync);
  clearInterval(report);
  responder.close();
  rtnetlink.close();
  members.close();
  port.close();
};

port.on("message", (message: ToWorker) => {
  if (message.kind === "leave") return void leave(message.how);
  if (message.kind === "key") return engine.setKey(message.key);
  members.setPeers(message.assignment.peers);
  engine.assign(message.assignment);
});

await members.listening;
readLinks();
