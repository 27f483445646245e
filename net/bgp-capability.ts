import { BgpErrorCode, BgpRefusal, OpenError } from "./bgp-notification.ts";
import { ByteReader } from "./byte-reader.ts";

/** Address families as BGP numbers them: IANA "Address Family Numbers". */
export const Afi = { ipv4: 1, ipv6: 2 } as const;
/** Routes for forwarding to one receiver: RFC 4760 section 6. */
export const SAFI_UNICAST = 1;

/** What a speaker can do, as its OPEN tells. RFC 5492. */
export type BgpCapability =
  /** RFC 4760 */
  | { readonly kind: "multiprotocol"; readonly afi: number; readonly safi: number }
  /** RFC 2918 */
  | { readonly kind: "routeRefresh" }
  /** RFC 8950: routes of one family with next hops of another. */
  | { readonly kind: "extendedNextHop"; readonly entries: readonly ExtendedNextHop[] }
  /** RFC 8654 */
  | { readonly kind: "extendedMessage" }
  /** RFC 4724, RFC 8538 */
  | {
      readonly kind: "gracefulRestart";
      /** This OPEN is the first after a restart. */
      readonly restarted: boolean;
      /** NOTIFICATIONs are graceful too. */
      readonly notification: boolean;
      /** Seconds, 0 to 4095. */
      readonly restartTime: number;
      readonly families: readonly RestartFamily[];
    }
  /** RFC 6793 */
  | { readonly kind: "fourOctetAsn"; readonly asn: number }
  /** RFC 7313 */
  | { readonly kind: "enhancedRouteRefresh" }
  /** Kept as received, so that an unknown capability survives a round trip. */
  | { readonly kind: "unknown"; readonly code: number; readonly value: Uint8Array };

export interface ExtendedNextHop {
  readonly afi: number;
  readonly safi: number;
  readonly nextHopAfi: number;
}

export interface RestartFamily {
  readonly afi: number;
  readonly safi: number;
  /** The forwarding state outlived the restart. */
  readonly preserved: boolean;
}

/** IANA "Capability Codes". */
const CODE = {
  multiprotocol: 1,
  routeRefresh: 2,
  extendedNextHop: 5,
  extendedMessage: 6,
  gracefulRestart: 64,
  fourOctetAsn: 65,
  enhancedRouteRefresh: 70,
} as const;

/** One capability: code, length, value. */
export function encodeBgpCapability(capability: BgpCapability): number[] {
  const code = capability.kind === "unknown" ? capability.code : CODE[capability.kind];
  const value = encodeValue(capability);
  return [code, value.length, ...value];
}

function encodeValue(capability: BgpCapability): readonly number[] {
  switch (capability.kind) {
    case "multiprotocol":
      return [...uint16(capability.afi), 0, capability.safi];
    case "routeRefresh":
    case "extendedMessage":
    case "enhancedRouteRefresh":
      return [];
    case "extendedNextHop":
      return capability.entries.flatMap(({ afi, safi, nextHopAfi }) => [afi, safi, nextHopAfi].flatMap(uint16));
    case "gracefulRestart": {
      const flags = (capability.restarted ? 0x8000 : 0) | (capability.notification ? 0x4000 : 0);
      const families = capability.families.flatMap(({ afi, safi, preserved }) => [
        ...uint16(afi),
        safi,
        preserved ? 0x80 : 0,
      ]);
      return [...uint16(flags | capability.restartTime), ...families];
    }
    case "fourOctetAsn":
      return [...uint16(capability.asn >>> 16), ...uint16(capability.asn & 0xffff)];
    case "unknown":
      return [...capability.value];
  }
}

/** @throws {BgpRefusal} OPEN Message Error when a capability's length is not what its code says. */
export function decodeBgpCapability(code: number, value: Uint8Array): BgpCapability {
  const refuse = () =>
    new BgpRefusal(`capability ${code} of ${value.length} octets`, BgpErrorCode.Open, OpenError.Unspecific);
  const reader = new ByteReader(value, refuse);
  const capability = readValue(code, reader);
  if (reader.left > 0) throw refuse();
  return capability;
}

function readValue(code: number, reader: ByteReader): BgpCapability {
  switch (code) {
    case CODE.multiprotocol: {
      const afi = reader.uint16();
      reader.uint8(); // reserved
      return { kind: "multiprotocol", afi, safi: reader.uint8() };
    }
    case CODE.routeRefresh:
      return { kind: "routeRefresh" };
    case CODE.extendedNextHop: {
      const entries: ExtendedNextHop[] = [];
      while (reader.left > 0) {
        entries.push({ afi: reader.uint16(), safi: reader.uint16(), nextHopAfi: reader.uint16() });
      }
      return { kind: "extendedNextHop", entries };
    }
    case CODE.extendedMessage:
      return { kind: "extendedMessage" };
    case CODE.gracefulRestart:
      return readGracefulRestart(reader);
    case CODE.fourOctetAsn:
      return { kind: "fourOctetAsn", asn: reader.uint32() };
    case CODE.enhancedRouteRefresh:
      return { kind: "enhancedRouteRefresh" };
    default:
      return { kind: "unknown", code, value: reader.rest().slice() };
  }
}

function readGracefulRestart(reader: ByteReader): BgpCapability {
  const word = reader.uint16();
  const families: RestartFamily[] = [];
  while (reader.left > 0) {
    families.push({ afi: reader.uint16(), safi: reader.uint8(), preserved: (reader.uint8() & 0x80) !== 0 });
  }
  return {
    kind: "gracefulRestart",
    restarted: (word & 0x8000) !== 0,
    notification: (word & 0x4000) !== 0,
    restartTime: word & 0x0fff,
    families,
  };
}

function uint16(value: number): [number, number] {
  return [value >>> 8, value & 0xff];
}
