/**
 * A neighbour on the LAN, in the network namespace it is started in: asks for one address again and again and tells every
 * ARP frame about it as an ArpSighting message. Arguments: the address, its own address.
 */
import { openArpAsker, type SeenArp } from "../../support/arp-asker.ts";

export interface ArpSighting extends SeenArp {
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Milliseconds between two questions. */
const INTERVAL = 10;

const [wanted = "", own = ""] = process.argv.slice(2);
const asker = openArpAsker(own, (seen) => {
  const sighting: ArpSighting = { ...seen, at: Date.now() };
  if (seen.address === wanted) process.send?.(sighting);
});
setInterval(() => asker.ask(wanted), INTERVAL);
process.on("disconnect", () => process.exit());
