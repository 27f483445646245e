import { z } from "zod";
import { parseAddress, printAddress } from "../net/mod.ts";
import type { Bandwidth } from "./bandwidth.ts";
import { type HostPort, PORT_PROTOCOLS, type PortProtocol } from "./host-port.ts";

/** What an attachment has besides its addresses. */
export interface LeaseExtras {
  readonly hostPorts: readonly HostPort[];
  readonly bandwidth?: Bandwidth;
  /** Octets, where the configuration asked for another MTU than the node's. */
  readonly mtu?: number;
  /** The node's end, where it has not the name that follows from the key: of pods found after the store was lost. */
  readonly link?: string;
  /** True when another plugin made the interface: it is theirs to keep and to remove. */
  readonly chained?: true;
}

const rate = z.object({ rate: z.number(), burst: z.number() });

const stored = z.object({
  hostPorts: z
    .array(
      z.object({
        protocol: z.enum(Object.keys(PORT_PROTOCOLS) as PortProtocol[]),
        hostPort: z.number(),
        containerPort: z.number(),
        hostAddress: z.string().transform(parseAddress).optional(),
      }),
    )
    .default([]),
  link: z.string().optional(),
  chained: z.literal(true).optional(),
  mtu: z.number().optional(),
  bandwidth: z.object({ ingress: rate.optional(), egress: rate.optional() }).optional(),
});

/** As JSON, only what there is. */
export function printExtras({ hostPorts, bandwidth, mtu, link, chained }: LeaseExtras): string {
  const ports = hostPorts.map(({ hostAddress, ...port }) => ({
    ...port,
    ...(hostAddress === undefined ? {} : { hostAddress: printAddress(hostAddress) }),
  }));
  return JSON.stringify({ ...(ports.length === 0 ? {} : { hostPorts: ports }), bandwidth, mtu, link, chained });
}

/** @throws {Error} for what printExtras() did not write. */
export function parseExtras(text: string): LeaseExtras {
  if (text === "{}") return { hostPorts: [] }; // nearly all, and all of them are read again and again
  const { hostPorts, mtu, link, chained, bandwidth: { ingress, egress } = {} } = stored.parse(JSON.parse(text));
  const limits = { ...(ingress && { ingress }), ...(egress && { egress }) };
  return {
    ...(chained === undefined ? {} : { chained }),
    ...(link === undefined ? {} : { link }),
    ...(mtu === undefined ? {} : { mtu }),
    ...(ingress || egress ? { bandwidth: limits } : {}),
    hostPorts: hostPorts.map(({ hostAddress, ...port }) => ({
      ...port,
      ...(hostAddress === undefined ? {} : { hostAddress }),
    })),
  };
}
