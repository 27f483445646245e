import { beforeEach, describe, expect, test } from "vitest";
import { IronbridgeError } from "../../../../core/mod.ts";
import { type BpfInstruction, type listenTcp, type SocketAddress, ttlFilter } from "../../../../linux/mod.ts";
import { type Address, type Family, parseAddress, printAddress } from "../../../../net/mod.ts";
import { type Listeners, openListeners } from "../../../../speaker/bgp/listener.ts";
import type { PeerSettings } from "../../../../speaker/bgp/message.ts";
import { SETTINGS } from "./session-settings.ts";

const FD: Readonly<Record<Family, number>> = { ipv4: 4, ipv6: 6 };

function peer(name: string, address: string, more: Partial<PeerSettings> = {}): PeerSettings {
  return { ...SETTINGS, name, target: { kind: "address", address: parseAddress(address) }, ...more };
}

/** Keys that the listening sockets have: "4 192.0.2.1 key". */
let keys: Set<string>;
let keyless: boolean;
/** By descriptor, what the listening sockets let in. */
let filters: Map<number, readonly BpfInstruction[]>;
let taken: Set<Family>;
let unknown: Set<string>;
let logged: string[];
let offered: readonly PeerSettings[];
let accepted: string[];
let connect: (from: SocketAddress) => void;
let listeners: Listeners;

beforeEach(() => {
  [keys, keyless, taken, unknown] = [new Set(), false, new Set(), new Set()];
  [logged, offered, accepted, filters] = [[], [], [], new Map()];
  const listen: typeof listenTcp = (family, port, onConnection) => {
    if (taken.has(family)) throw new IronbridgeError("IB_KERNEL_REFUSED", `port ${port} is taken`);
    connect = (from) => onConnection(-1, from);
    const close = () => {
      for (const key of keys) if (key.startsWith(`${FD[family]} `)) keys.delete(key);
    };
    return { fd: FD[family], close };
  };
  const setKey = (fd: number, address: Address, key: string | undefined) => {
    const place = `${fd} ${printAddress(address)} `;
    for (const each of keys) if (each.startsWith(place)) keys.delete(each);
    if (key === undefined) return;
    if (keyless || key.length > 80) throw new IronbridgeError("IB_KERNEL_REFUSED", "no such option");
    keys.add(`${place}${key}`);
  };
  const locate = ({ name, target }: PeerSettings) =>
    unknown.has(name) || target.kind === "interface" ? undefined : { address: target.address };
  listeners = openListeners({
    accept: (isOf) => {
      accepted.push(...offered.filter(isOf).map(({ name }) => name));
      return true;
    },
    whereabouts: { locate },
    onLog: (_, event, fields) => void logged.push(`${event} ${JSON.stringify(fields)}`),
    listen,
    setKey,
    setFilter: (fd, filter) => void filters.set(fd, filter),
  });
});

function set(...peers: readonly PeerSettings[]): void {
  offered = peers;
  listeners.set({ peers, listenPort: 179, settled: true });
}

describe("openListeners()", () => {
  const four = peer("four", "192.0.2.1", { password: "one" });
  const six = peer("six", "2001:db8::1", { password: "two" });

  test("has the key of each peer, and no other", () => {
    set(four, six, peer("open", "192.0.2.3"));
    expect([...keys]).toEqual(["4 192.0.2.1 one", "6 2001:db8::1 two"]);
    set({ ...four, password: "three" });
    expect([...keys]).toEqual(["4 192.0.2.1 three"]);
    set({ ...four, name: "renamed" });
    expect([...keys]).toEqual(["4 192.0.2.1 one"]);
    set();
    expect([...keys]).toEqual([]);
  });

  test("a key that the kernel refuses keeps its peer out, says why, and costs no other peer anything", () => {
    const bad = peer("bad", "192.0.2.2", { password: "x".repeat(81) });
    set(bad, four, six);
    expect([...keys]).toEqual(["4 192.0.2.1 one", "6 2001:db8::1 two"]);
    expect(listeners.refusalOf(bad)).toMatch(/no such option.*spec\.password.*passwordSecret/);
    expect([four, six].map(listeners.refusalOf)).toEqual([undefined, undefined]);
    for (const { target } of [bad, four]) if (target.kind === "address") connect({ ...target, port: 1, scope: 0 });
    expect(accepted).toEqual(["four"]);
    set({ ...bad, password: "short" }, four, six);
    expect(listeners.refusalOf(bad)).toBeUndefined();
  });

  test("a kernel without TCP-MD5 takes the connections of peers without a password", () => {
    keyless = true;
    set(four, peer("open", "192.0.2.3"));
    connect({ address: parseAddress("192.0.2.1"), port: 1, scope: 0 });
    connect({ address: parseAddress("192.0.2.3"), port: 1, scope: 0 });
    expect(accepted).toEqual(["open"]);
  });

  test("a peer that is found later has its key from then on", () => {
    unknown.add("four");
    set(four);
    expect([...keys]).toEqual([]);
    unknown.clear();
    listeners.retry();
    expect([...keys]).toEqual(["4 192.0.2.1 one"]);
  });

  test("tries a port that was taken again, with the keys of its peers, and says once what is wrong", () => {
    taken.add("ipv4");
    const passive = { ...four, passive: true };
    set(passive, six);
    listeners.retry();
    expect(logged).toEqual(['bgp.listen {"port":179,"family":"ipv4","reason":"port 179 is taken"}']);
    expect([listeners.refusalOf(passive), listeners.refusalOf(four)]).toEqual(["port 179 is taken", undefined]);
    expect([...keys]).toEqual(["6 2001:db8::1 two"]);
    taken.clear();
    listeners.retry();
    expect(listeners.refusalOf(passive)).toBeUndefined();
    expect([...keys]).toEqual(["6 2001:db8::1 two", "4 192.0.2.1 one"]);
  });

  test("lets in nobody's packets from further away than each peer may be, also once a peer is found", () => {
    const near = peer("near", "192.0.2.9", { minimumTtl: 255 });
    unknown.add("near");
    set(near, four, six);
    const [open, guarded] = [
      [{ from: parseAddress("192.0.2.1"), least: 0 }],
      [
        { from: parseAddress("192.0.2.9"), least: 255 },
        { from: parseAddress("192.0.2.1"), least: 0 },
      ],
    ];
    expect(filters.get(FD.ipv4)).toEqual(ttlFilter("ipv4", open, "taken"));
    unknown.clear();
    listeners.retry();
    expect(filters.get(FD.ipv4)).toEqual(ttlFilter("ipv4", guarded, "taken"));
    expect(filters.get(FD.ipv6)).toEqual(ttlFilter("ipv6", [{ from: parseAddress("2001:db8::1"), least: 0 }], "taken"));
  });
});
