import { explainError, hasCode } from "../../core/mod.ts";
import {
  applyTcpOptions,
  closeSocket,
  listenTcp,
  type SocketAddress,
  setMd5Key,
  type TcpListener,
} from "../../linux/mod.ts";
import { type Family, sameAddress } from "../../net/mod.ts";
import type { Engine, EnginePorts } from "./engine.ts";
import type { Assignment, PeerSettings } from "./message.ts";
import { openTransport } from "./transport.ts";
import type { Whereabouts } from "./whereabouts.ts";

/** Takes the connections that peers make, on a port of both families. */
export interface Listeners {
  set(assignment: Assignment): void;
  close(): void;
}

const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];
const TTL = 255;

export function openListeners(engine: Engine, whereabouts: Whereabouts, onLog: EnginePorts["onLog"]): Listeners {
  const open = new Map<Family, TcpListener>();
  let port: number | undefined;
  /** Keys the listening sockets have, by family and address. */
  const keyed = new Map<string, PeerSettings>();

  const onConnection = (fd: number, from: SocketAddress) => {
    const isOf = (peer: PeerSettings) => {
      const location = whereabouts.locate(peer);
      if (location === undefined || !sameAddress(location.address, from.address)) return false;
      return from.scope === 0 || from.scope === location.device?.index;
    };
    const taken = engine.accept(isOf, ({ minimumTtl }, events) => {
      const limits = { ttl: TTL, ...(minimumTtl === undefined ? {} : { minimumTtl }) };
      applyTcpOptions(fd, from.address.family, limits, "take a connection");
      return openTransport(fd, events);
    });
    if (!taken) closeSocket(fd);
  };

  const closeAll = () => {
    for (const listener of open.values()) listener.close();
    open.clear();
    keyed.clear();
  };

  const listen = (family: Family) => {
    if (port === undefined || open.has(family)) return;
    try {
      open.set(family, listenTcp(family, port, onConnection));
    } catch (error) {
      if (!hasCode(error, "IB_KERNEL_REFUSED")) throw error;
      const fields = { port, family, reason: explainError(error) };
      onLog("warn", "bgp.listen", fields, "can't take connections of peers; sessions are still made to them");
    }
  };

  const setKeys = (peers: readonly PeerSettings[]) => {
    const wanted = new Map(peers.filter(({ password }) => password !== undefined).map((peer) => [peer.name, peer]));
    for (const [name, peer] of [...keyed, ...wanted]) {
      const location = whereabouts.locate(peer);
      const listener = location && open.get(location.address.family);
      if (location === undefined || listener === undefined) continue;
      setMd5Key(listener.fd, location.address, wanted.get(name)?.password);
    }
    keyed.clear();
    for (const [name, peer] of wanted) keyed.set(name, peer);
  };

  return {
    set: ({ peers, listenPort }) => {
      if (listenPort !== port) closeAll();
      port = listenPort;
      for (const family of FAMILIES) listen(family);
      setKeys(peers);
    },
    close: closeAll,
  };
}
