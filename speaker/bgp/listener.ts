import { explainError, hasCode } from "../../core/mod.ts";
import {
  applyTcpOptions,
  closeSocket,
  listenTcp,
  type SocketAddress,
  setMd5Key,
  setSocketFilter,
  type TcpListener,
  type TtlRule,
  ttlFilter,
} from "../../linux/mod.ts";
import { type Address, type Family, sameAddress } from "../../net/mod.ts";
import type { Engine, EnginePorts } from "./engine.ts";
import { ListenKeys } from "./listen-keys.ts";
import type { Assignment, PeerSettings } from "./message.ts";
import { openTransport } from "./transport.ts";
import type { Whereabouts } from "./whereabouts.ts";

/** Takes the connections that peers make, on a port of both families. */
export interface Listeners {
  set(assignment: Assignment): void;
  /** Tries again what failed: a port may be free, and a peer found, by now. */
  retry(): void;
  /** Why `peer` can't connect to this node; undefined: it can, or need not. */
  refusalOf(peer: PeerSettings): string | undefined;
  close(): void;
}

export interface ListenerPorts {
  readonly accept: Engine["accept"];
  readonly whereabouts: Pick<Whereabouts, "locate">;
  readonly onLog: EnginePorts["onLog"];
  /** The kernel's own where absent. */
  readonly listen?: typeof listenTcp;
  readonly setKey?: typeof setMd5Key;
  readonly setFilter?: typeof setSocketFilter;
}

const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];
const TTL = 255;

export function openListeners(ports: ListenerPorts): Listeners {
  const { accept, whereabouts, onLog, listen = listenTcp, setKey = setMd5Key, setFilter = setSocketFilter } = ports;
  const open = new Map<Family, TcpListener>();
  /** Why there is no listening socket of a family. */
  const failed = new Map<Family, string>();
  const keys = new ListenKeys({
    locate: (peer) => whereabouts.locate(peer),
    listener: (family) => open.get(family),
    setKey,
  });
  let port: number | undefined;
  let peers: readonly PeerSettings[] = [];

  const onConnection = (fd: number, from: SocketAddress) => {
    const isOf = (peer: PeerSettings) => {
      const location = whereabouts.locate(peer);
      if (location === undefined || !sameAddress(location.address, from.address)) return false;
      return (from.scope === 0 || from.scope === location.device?.index) && keys.guards(peer, from.address);
    };
    const taken = accept(isOf, ({ minimumTtl }, events) => {
      const limits = { ttl: TTL, ...(minimumTtl === undefined ? {} : { minimumTtl }) };
      applyTcpOptions(fd, from.address.family, limits, "take a connection");
      return openTransport(fd, events);
    });
    if (!taken) closeSocket(fd);
  };

  const closeAll = () => {
    for (const listener of open.values()) listener.close();
    open.clear();
    failed.clear();
    keys.forget();
  };

  const listenOn = (family: Family) => {
    if (port === undefined || open.has(family)) return;
    try {
      open.set(family, listen(family, port, onConnection));
      failed.delete(family);
    } catch (error) {
      if (!hasCode(error, "IB_KERNEL_REFUSED")) throw error;
      const reason = explainError(error);
      if (failed.get(family) === reason) return;
      failed.set(family, reason);
      const sentence = "can't take connections of peers, and tries again; sessions are still made to them";
      onLog("warn", "bgp.listen", { port, family, reason }, sentence);
    }
  };

  // What a peer too far away sends must be dropped before there is a connection with its own limit: RFC 5082.
  const limitDistance = () => {
    const rules = rulesOf(peers, (peer) => whereabouts.locate(peer)?.address);
    for (const [family, { fd }] of open) setFilter(fd, ttlFilter(family, rules, "taken"));
  };

  const retry = () => {
    for (const family of FAMILIES) listenOn(family);
    keys.apply(peers);
    limitDistance();
  };

  return {
    set: (assignment) => {
      if (assignment.listenPort !== port) closeAll();
      port = assignment.listenPort;
      peers = assignment.peers;
      retry();
    },
    retry,
    refusalOf: (peer) => {
      const family = whereabouts.locate(peer)?.address.family;
      const missing = peer.passive && family !== undefined ? failed.get(family) : undefined;
      return keys.refusalOf(peer) ?? missing;
    },
    close: closeAll,
  };
}

/** A peer without a limit may be as far away as it likes, also where another has the same address. */
function rulesOf(
  peers: readonly PeerSettings[],
  locate: (peer: PeerSettings) => Address | undefined,
): readonly TtlRule[] {
  return peers.flatMap((peer) => {
    const from = locate(peer);
    return from === undefined ? [] : [{ from, least: peer.minimumTtl ?? 0 }];
  });
}
