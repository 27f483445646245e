import { z } from "zod";
import { conditionStatus } from "./condition.ts";
import { type CustomObject, type CustomResource, metallbResource } from "./resource.ts";
import type { KindDescription } from "./schema.ts";

/** Milliseconds, as FRR and MetalLB bound them. */
const interval = (fallback: number, description: string) =>
  z.int32().min(10).max(60_000).optional().describe(`${description} Milliseconds; ${fallback} when not set.`);

/** What a profile means where a field is not set. */
export const BFD_DEFAULTS = {
  receiveInterval: 300,
  transmitInterval: 300,
  detectMultiplier: 3,
  echoInterval: 50,
  minimumTtl: 254,
} as const;

const spec = z
  .object({
    receiveInterval: interval(BFD_DEFAULTS.receiveInterval, "The least time between control packets accepted."),
    transmitInterval: interval(BFD_DEFAULTS.transmitInterval, "The least time between control packets sent."),
    detectMultiplier: z
      .int32()
      .min(2)
      .max(255)
      .optional()
      .describe(`Packets missed before the peer counts as gone; ${BFD_DEFAULTS.detectMultiplier} when not set.`),
    echoInterval: interval(BFD_DEFAULTS.echoInterval, "The least time between echo packets accepted."),
    echoMode: z
      .boolean()
      .optional()
      .describe(
        "Known to MetalLB; no echo packets are sent, and the condition Valid says so. Those of peers are sent back.",
      ),
    passiveMode: z.boolean().optional().describe("True: wait for the peer's first packet."),
    minimumTtl: z
      .int32()
      .min(1)
      .max(254)
      .optional()
      .describe(
        `The least TTL a control packet may arrive with over several hops; ${BFD_DEFAULTS.minimumTtl} when not set.`,
      ),
  })
  .prefault({});

export const BFD_PROFILE: KindDescription<typeof spec> = {
  description: "Times and modes of BFD sessions; BGPPeers name a profile.",
  spec,
  status: conditionStatus,
  columns: [
    { name: "Passive Mode", type: "boolean", jsonPath: ".spec.passiveMode" },
    { name: "Transmit Interval", type: "integer", jsonPath: ".spec.transmitInterval" },
    { name: "Receive Interval", type: "integer", jsonPath: ".spec.receiveInterval" },
    { name: "Multiplier", type: "integer", jsonPath: ".spec.detectMultiplier" },
  ],
};

export interface BFDProfile extends Omit<CustomObject<unknown, z.output<typeof conditionStatus>>, "spec"> {
  readonly spec?: z.input<typeof spec>;
}

export const BFD_PROFILES: CustomResource<BFDProfile> = metallbResource("BFDProfile", "bfdprofiles");
