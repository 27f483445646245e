import { z } from "zod";
import { parseAddress, tryParseAddress } from "../net/mod.ts";
import { type HostPort, PORT_PROTOCOLS } from "./host-port.ts";

/** What the runtime asks for one pod, by the capabilities that the configuration list declares. */
export interface RuntimeConfig {
  readonly hostPorts: readonly HostPort[];
}

export const NO_RUNTIME_CONFIG: RuntimeConfig = { hostPorts: [] };

const port = z.int().min(1).max(65535);
const protocols = Object.keys(PORT_PROTOCOLS) as (keyof typeof PORT_PROTOCOLS)[];

const portMapping = z
  .object({
    hostPort: port,
    containerPort: port,
    protocol: z
      .string()
      .default("tcp")
      .transform((text) => text.toLowerCase())
      .pipe(z.enum(protocols)),
    hostIP: z
      .string()
      .default("")
      .refine((text) => text === "" || tryParseAddress(text) !== undefined, "is not an IP address"),
  })
  .transform(
    ({ hostIP, ...mapping }): HostPort => ({
      ...mapping,
      ...(hostIP === "" ? {} : { hostAddress: parseAddress(hostIP) }),
    }),
  );

/**
 * The field runtimeConfig of a network configuration.
 * @see https://www.cni.dev/docs/conventions/#dynamic-plugin-specific-fields-capabilities--runtime-configuration
 */
export const runtimeConfig = z
  .object({ portMappings: z.array(portMapping).nullish() })
  .transform(({ portMappings }): RuntimeConfig => ({ hostPorts: portMappings ?? [] }));
