import { createSocket } from "node:dgram";
import { createServer, type Socket } from "node:net";
import dnsPacket, { type Packet } from "dns-packet";
import { explainError, type Log } from "../core/mod.ts";
import { createListenSocket, createUdpSocket, type Netns } from "../linux/mod.ts";
import type { Cluster } from "./cluster.ts";
import { answerQuestion, type DnsObjects } from "./dns-answer.ts";

/** RFC 1035 section 4.1.1, RCODE. */
const Rcode = { NoError: 0, NxDomain: 3, Refused: 5 } as const;
/** Largest answer over UDP without EDNS. RFC 1035 section 4.2.1. */
const UDP_LIMIT = 512;
const PORT = 53;

/** A DNS server for the names of the cluster's Services, on UDP and TCP, until `signal`. */
export function startDns(cluster: Cluster, address: string, netns: Netns, log: Log, signal: AbortSignal): void {
  const objects: DnsObjects = {
    service: (namespace, name) => cluster.services.get(`${namespace}/${name}`),
    slices: (namespace, name) => cluster.slices.byIndex("service", `${namespace}/${name}`),
  };
  const dropped = (error: unknown) =>
    log.debug({ event: "lab.dns.dropped", error: explainError(error) }, "message dropped");

  const udp = createSocket("udp4");
  udp.on("message", (bytes, sender) => {
    try {
      udp.send(answerMessage(bytes, objects, UDP_LIMIT), sender.port, sender.address);
    } catch (error) {
      dropped(error); // anybody may send anything to an open port
    }
  });
  udp.bind({ fd: createUdpSocket(address, PORT, netns) });

  const tcp = createServer((socket) => {
    socket.on("error", dropped);
    readMessages(socket, (bytes) => {
      const answer = answerMessage(bytes, objects, 0xffff);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    });
  });
  tcp.listen({ fd: createListenSocket(address, PORT, netns) });

  signal.addEventListener("abort", () => {
    udp.close();
    tcp.close();
  });
}

/** The answer to one message; an answer of more than `limit` octets is cut and says so, and the asker uses TCP. */
export function answerMessage(bytes: Uint8Array, objects: DnsObjects, limit: number): Buffer {
  const query = dnsPacket.decode(bytes);
  const [question] = query.questions;
  const outcome = question === undefined ? ({ kind: "refused" } as const) : answerQuestion(question, objects);
  const rcode = { answers: Rcode.NoError, unknown: Rcode.NxDomain, refused: Rcode.Refused }[outcome.kind];
  const flags = dnsPacket.AUTHORITATIVE_ANSWER | (query.flags & dnsPacket.RECURSION_DESIRED) | rcode;
  const answers = outcome.kind === "answers" ? outcome.answers : [];
  const packet: Packet = { type: "response", id: query.id, flags, questions: query.questions, answers };
  const encoded = dnsPacket.encode(packet);
  if (encoded.length <= limit) return encoded;
  return dnsPacket.encode({ ...packet, flags: flags | dnsPacket.TRUNCATED_RESPONSE, answers: [] });
}

/** Messages over TCP have their length in front. RFC 1035 section 4.2.2. */
function readMessages(socket: Socket, onMessage: (bytes: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      const end = 2 + rest.readUInt16BE(0);
      try {
        onMessage(rest.subarray(2, end));
      } catch {
        socket.destroy(); // not DNS: there is nobody to tell
        return;
      }
      rest = rest.subarray(end);
    }
  });
}
