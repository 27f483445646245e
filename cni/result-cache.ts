import { join } from "node:path";
import { z } from "zod";
import { type Address, tryParseAddress } from "../net/mod.ts";
import { type AttachmentKey, printKey } from "./attachment.ts";
import { namesIn, readJson } from "./json-files.ts";
import { NO_RUNTIME_CONFIG, type RuntimeConfig, runtimeConfig } from "./runtime-config.ts";

/** What a runtime remembers of one ADD. */
export interface CachedResult {
  readonly key: AttachmentKey;
  readonly network: string;
  readonly netns: string;
  readonly addresses: readonly Address[];
  readonly runtime: RuntimeConfig;
  /** Names of the node's interfaces that the plugins made or used. */
  readonly links: readonly string[];
}

/** A file of libcni: https://github.com/containernetworking/cni, libcni/api.go, "cniCacheV1". */
const cached = z.object({
  kind: z.literal("cniCacheV1"),
  containerId: z.string(),
  ifName: z.string(),
  networkName: z.string(),
  netns: z.string().default(""),
  capabilityArgs: z.unknown().optional(),
  result: z
    .object({
      ips: z.array(z.object({ address: z.string() })).default([]),
      interfaces: z.array(z.object({ name: z.string(), sandbox: z.string().default("") })).default([]),
    })
    .optional(),
});

/** Reads all results below `directory`; files of another shape are left out, and a directory that is not there is empty. */
export function readResultCache(directory: string): CachedResult[] {
  return namesIn(directory).flatMap((name) => {
    const parsed = cached.safeParse(readJson(join(directory, name)));
    if (!parsed.success) return [];
    const { containerId, ifName, networkName, netns, capabilityArgs, result } = parsed.data;
    const wishes = runtimeConfig.safeParse(capabilityArgs ?? {});
    const texts = result?.ips.map(({ address }) => address.split("/")[0]!) ?? [];
    return {
      key: { containerId, ifname: ifName },
      network: networkName,
      netns,
      addresses: texts.map(tryParseAddress).filter((address) => address !== undefined),
      links: (result?.interfaces ?? []).filter(({ sandbox }) => sandbox === "").map(({ name }) => name),
      runtime: wishes.success ? wishes.data : NO_RUNTIME_CONFIG,
    };
  });
}

/** The attachments that the runtime remembers, as printKey() names them. */
export function rememberedKeys(directory: string): ReadonlySet<string> {
  return new Set(readResultCache(directory).map(({ key }) => printKey(key)));
}
