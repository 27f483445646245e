import { beforeEach, describe, expect, test } from "vitest";
import { type FakeClock, fakeClock } from "../../../../core/mod.ts";
import {
  Afi,
  BgpFramer,
  type BgpMessage,
  type BgpOpen,
  decodeBgpMessage,
  encodeBgpMessage,
  parseAddress,
  parsePrefix,
} from "../../../../net/mod.ts";
import type { Dial } from "../../../../speaker/bgp/connection.ts";
import { noCounts, type PeerSettings } from "../../../../speaker/bgp/message.ts";
import { ceaseBecause, PeerSession } from "../../../../speaker/bgp/peer-session.ts";
import type { Transport, TransportEvents } from "../../../../speaker/bgp/transport.ts";
import { SETTINGS } from "./session-settings.ts";

const WIDE = { fourOctetAsn: true };
const LOCAL = parseAddress("192.0.2.11");
const THEIRS: BgpOpen = {
  asn: 64512,
  holdTime: 30,
  routerId: 9,
  capabilities: [
    { kind: "multiprotocol", afi: Afi.ipv4, safi: 1 },
    { kind: "fourOctetAsn", asn: 64512 },
  ],
};
const NOTHING_MORE = {
  advertisement: "ns/all",
  peers: "all" as const,
  localPref: 0,
  largeCommunities: [],
  drained: false,
  prepend: 0,
};
const route = (key: string) => ({
  key,
  prefix: parsePrefix(key),
  offers: [{ ...NOTHING_MORE, communities: [] as number[] }],
});

/** The other end of a connection. */
class Line {
  readonly heard: BgpMessage[] = [];
  readonly events: TransportEvents;
  closed = false;
  backlog = 0;
  readonly #framer = new BgpFramer();

  constructor(events: TransportEvents) {
    this.events = events;
  }

  get transport(): Transport {
    const line = this;
    return {
      local: LOCAL,
      get backlog() {
        return line.backlog;
      },
      send: (bytes) => {
        this.#framer.push(bytes);
        for (let each = this.#framer.next(); each; each = this.#framer.next())
          this.heard.push(decodeBgpMessage(each, WIDE));
      },
      close: () => {
        this.closed = true;
      },
    };
  }

  say(...messages: readonly BgpMessage[]): void {
    for (const message of messages) this.events.onData(encodeBgpMessage(message, WIDE));
  }

  /** What was heard since the last time, in short. */
  take(): string[] {
    return this.heard.splice(0).map((message) => {
      if (message.type === "notification")
        return `notification ${message.notification.code}/${message.notification.subcode}`;
      if (message.type !== "update") return message.type;
      const { announced, withdrawn } = message.update;
      return announced.length + withdrawn.length === 0
        ? "end of rib"
        : `update +${announced.length} -${withdrawn.length}`;
    });
  }
}

let clock: FakeClock;
let lines: Line[];
let answers: boolean;
let session: PeerSession;
let logged: string[];

function start(more: Partial<PeerSettings> = {}): PeerSession {
  const dial: Dial = (events, onDone) => {
    if (answers) {
      const line = new Line(events);
      lines.push(line);
      clock.after(1, () => onDone(line.transport));
    } else clock.after(1, () => onDone({ failed: "refused" }));
    return { cancel: () => {} };
  };
  session = new PeerSession(
    { ...SETTINGS, ...more },
    {
      clock,
      random: () => 1,
      dial,
      counts: noCounts(),
      nextHops: () => ({ ipv4: [LOCAL], ipv6: [] }),
      learnWithin: () => [parsePrefix("10.244.0.0/16")],
      onLearned: () => {},
      onChange: () => {},
      onLog: (_, event) => void logged.push(event),
    },
  );
  session.start();
  return session;
}

beforeEach(() => {
  clock = fakeClock();
  lines = [];
  logged = [];
  answers = true;
});

/** Brings the session up on the newest line. */
function establish(): Line {
  clock.advance(1);
  const line = lines.at(-1)!;
  line.say({ type: "open", open: THEIRS }, { type: "keepalive" });
  return line;
}

describe("PeerSession", () => {
  test("says what it has once the peer agreed, and that it is all when it is", () => {
    start();
    session.setRoute(route("10.0.0.1/32"));
    const line = establish();
    expect(line.take()).toEqual(["open", "keepalive", "update +1 -0"]);
    session.settle();
    expect(line.take()).toEqual(["end of rib"]);
    session.setRoute(route("10.0.0.2/32"));
    session.removeRoute(route("10.0.0.1/32"));
    session.flush();
    expect(line.take()).toEqual(["update +0 -1", "update +1 -0"]);
    expect(session.status()).toMatchObject({ phase: "established", announced: 1, pending: 0, holdTime: 30 });
  });

  test("gives up a peer that is silent for the hold time, and sends keepalives meanwhile", () => {
    start();
    const line = establish();
    line.take();
    clock.advance(29_900);
    expect(line.take()).toEqual(["keepalive", "keepalive"]);
    expect(session.status().phase).toBe("established");
    clock.advance(300);
    expect(line.take()).toEqual(["notification 4/0"]);
    expect(line.closed).toBe(true);
    expect(session.status()).toMatchObject({ losses: 1, why: "the hold timer expired" });
  });

  test("keeps a peer that says a word now and then", () => {
    start();
    const line = establish();
    for (let i = 0; i < 10; i++) {
      clock.advance(25_000);
      line.say({ type: "keepalive" });
    }
    expect(session.status().phase).toBe("established");
  });

  test("tries again, more and more slowly, and tells a reason once", () => {
    answers = false;
    start();
    clock.advance(60_000);
    expect(logged).toEqual(["bgp.down"]);
    answers = true;
    clock.advance(10_000);
    establish();
    expect(session.status().phase).toBe("established");
  });

  test("tells all routes again to a peer that comes back", () => {
    start();
    session.setRoute(route("10.0.0.1/32"));
    session.settle();
    establish().events.onClosed("reset");
    expect(session.status()).toMatchObject({ phase: "idle", announced: 0 });
    clock.advance(250);
    expect(establish().take()).toEqual(["open", "keepalive", "update +1 -0", "end of rib"]);
  });

  test("names a route that is too long, withdraws it, and tells it once it fits", () => {
    start();
    session.setRoute(route("10.0.0.1/32"));
    const line = establish();
    line.take();
    const communities = Array.from({ length: 1100 }, (_, i) => i);
    session.setRoute({ ...route("10.0.0.1/32"), offers: [{ ...NOTHING_MORE, communities }] });
    session.flush();
    expect(line.take()).toEqual(["update +0 -1"]);
    expect(session.status()).toMatchObject({ announced: 0, tooLong: { octets: 4096, routes: ["10.0.0.1/32"] } });
    session.setRoute(route("10.0.0.1/32"));
    session.flush();
    expect(line.take()).toEqual(["update +1 -0"]);
    expect(session.status().tooLong).toBeUndefined();
    expect(session.status().announced).toBe(1);
  });

  test("ends with a hard reset where the peer would keep the routes over a NOTIFICATION", () => {
    start({ restartSeconds: 120 });
    clock.advance(1);
    const restart = { restarted: false, notification: true, restartTime: 60, families: [] };
    const capabilities = [...THEIRS.capabilities, { kind: "gracefulRestart" as const, ...restart }];
    const line = lines.at(-1)!;
    line.say({ type: "open", open: { ...THEIRS, capabilities } }, { type: "keepalive" });
    line.take();
    session.stop(ceaseBecause("removed"));
    expect(line.heard.at(-1)).toMatchObject({ notification: { code: 6, subcode: 9, data: Uint8Array.of(6, 3, 0) } });
  });

  test("answers a broken message with the NOTIFICATION for it", () => {
    start();
    const line = establish();
    line.take();
    line.events.onData(new Uint8Array(19));
    expect(line.take()).toEqual(["notification 1/1"]);
    expect(session.status().why).toContain("Connection Not Synchronized");
  });

  test("sends all routes of a family again when asked", () => {
    start();
    session.setRoute(route("10.0.0.1/32"));
    const line = establish();
    line.take();
    line.say({ type: "routeRefresh", refresh: { afi: 1, subtype: 0, safi: 1 } });
    expect(line.take()).toEqual(["update +1 -0"]);
    line.say({ type: "routeRefresh", refresh: { afi: 25, subtype: 0, safi: 65 } });
    expect(line.take()).toEqual([]);
  });

  test("does not pile up routes for a peer that takes nothing", () => {
    start();
    const line = establish();
    line.take();
    line.backlog = 1_000_000;
    session.setRoute(route("10.0.0.1/32"));
    session.flush();
    expect(line.take()).toEqual([]);
    expect(session.status().pending).toBe(1);
    line.backlog = 0;
    line.events.onDrain();
    expect(line.take()).toEqual(["update +1 -0"]);
  });

  test("of two connections keeps the one of the higher router ID", () => {
    for (const [routerId, stays] of [
      [5, "accepted"],
      [50, "dialed"],
    ] as const) {
      lines = [];
      start({ routerId });
      clock.advance(1);
      const [dialed] = lines as [Line];
      const come = (events: TransportEvents) => {
        lines.push(new Line(events));
        return lines.at(-1)!.transport;
      };
      expect(session.accept(come)).toBe("taken");
      const accepted = lines.at(-1)!;
      dialed.say({ type: "open", open: THEIRS });
      accepted.say({ type: "open", open: THEIRS });
      const [winner, loser] = stays === "dialed" ? [dialed, accepted] : [accepted, dialed];
      expect(loser.take()).toContain("notification 6/7");
      winner.say({ type: "keepalive" });
      expect(session.status().phase).toBe("established");
      // The loser dials again only when the winner is gone.
      clock.advance(20_000);
      winner.say({ type: "keepalive" });
      expect(lines.length).toBe(2);
      session.stop();
    }
  });

  test("a passive node never dials, and takes its peer each time it comes", () => {
    start({ passive: true });
    clock.advance(600_000);
    expect(lines).toEqual([]);
    expect(session.status()).toMatchObject({ phase: "active", why: "the peer has not connected" });
    session.setRoute(route("10.0.0.1/32"));
    for (let round = 0; round < 3; round++) {
      expect(session.accept((events) => lines[lines.push(new Line(events)) - 1]!.transport)).toBe("taken");
      expect(session.status().phase).toBe("openSent");
      expect(establish().take()).toEqual(["open", "keepalive", "update +1 -0"]);
      expect(session.status()).toMatchObject({ phase: "established", losses: round });
      lines.at(-1)!.events.onClosed("reset");
      expect(session.status()).toMatchObject({ phase: "active", why: "reset" });
      clock.advance(60_000);
    }
    expect(lines).toHaveLength(3);
    expect(logged).toEqual(["bgp.up", "bgp.down", "bgp.up", "bgp.down", "bgp.up", "bgp.down"]);
  });

  test("refuses another connection while one is up", () => {
    start();
    establish();
    expect(session.accept((events) => new Line(events).transport)).toBe("refused");
  });

  test("asks the peer for other ways before it stops, and says so when it does", () => {
    start();
    session.setRoute(route("10.0.0.1/32"));
    const line = establish();
    line.heard.length = 0;
    session.shutDownGracefully();
    expect(line.heard[0]).toMatchObject({ update: { attributes: { communities: [0xffff0000] } } });
    session.bfdDown();
    expect(line.take().at(-1)).toBe("notification 6/10");
  });
});
