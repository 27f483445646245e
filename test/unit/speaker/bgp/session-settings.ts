import { parseAddress } from "../../../../net/mod.ts";
import type { PeerSettings } from "../../../../speaker/bgp/message.ts";

/** A session with a router in another autonomous system, with nothing special asked for. */
export const SETTINGS: PeerSettings = {
  name: "tor",
  asn: 64513,
  peerAsn: 64512,
  routerId: 5,
  holdTimeSeconds: 90,
  families: ["ipv4"],
  forwardingPreserved: true,
  passive: false,
  connectRetry: 10_000,
  target: { kind: "address", address: parseAddress("192.0.2.1") },
  port: 179,
  vrf: "",
  multiHop: false,
};
