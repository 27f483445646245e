/** The part of the dns-packet library that the lab uses; the library has no types of its own. */
declare module "dns-packet" {
  export interface Question {
    readonly type: string;
    readonly name: string;
  }

  export type Answer =
    | {
        readonly type: "A" | "AAAA" | "CNAME" | "PTR";
        readonly name: string;
        readonly ttl: number;
        readonly data: string;
      }
    | {
        readonly type: "SRV";
        readonly name: string;
        readonly ttl: number;
        readonly data: {
          readonly priority: number;
          readonly weight: number;
          readonly port: number;
          readonly target: string;
        };
      };

  export interface Packet {
    readonly type: "query" | "response";
    readonly id: number;
    readonly flags: number;
    readonly questions: readonly Question[];
    readonly answers?: readonly Answer[];
  }

  interface DnsPacket {
    readonly RECURSION_DESIRED: number;
    readonly RECURSION_AVAILABLE: number;
    readonly AUTHORITATIVE_ANSWER: number;
    readonly TRUNCATED_RESPONSE: number;
    encode(packet: Packet): Buffer;
    decode(bytes: Uint8Array): Packet;
  }

  const dnsPacket: DnsPacket;
  export default dnsPacket;
}
