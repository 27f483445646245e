import { AnnotationReader } from "./annotation-reader.ts";

/** What a BGPPeer asks for beyond MetalLB's fields, in annotations. */
export interface PeerOptions {
  /** `ironbridge.io/ttl-security`: the most hops the peer's packets may have come (GTSM, RFC 5082); undefined: any. */
  readonly mostHops?: number;
  /** `ironbridge.io/passive`: the node waits for the peer to connect. */
  readonly passive: boolean;
}

const TTL_SECURITY = "ironbridge.io/ttl-security";
export const PASSIVE = "ironbridge.io/passive";
/** As in FRR's `neighbor PEER ttl-security hops`. */
const MOST_HOPS = 254;

/** The options, and what is wrong with annotations whose value means nothing. */
export function peerOptionsOf(annotations: Readonly<Record<string, string>>): {
  readonly options: PeerOptions;
  readonly problems: readonly string[];
} {
  const reader = new AnnotationReader(annotations);
  const mostHops = reader.number(TTL_SECURITY, 1, MOST_HOPS);
  const options = { ...(mostHops === undefined ? {} : { mostHops }), passive: reader.flag(PASSIVE) };
  return { options, problems: reader.problems };
}
