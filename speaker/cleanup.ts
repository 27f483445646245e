import { hasCode } from "../core/mod.ts";
import { openNft } from "../linux/mod.ts";
import { printKeeperTable } from "./connection-keeper.ts";
import { printEchoTable } from "./echo.ts";

/** Removes every rule of the speaker from the kernel; where there is no nftables there is none. */
export async function removeSpeakerRules(): Promise<void> {
  try {
    const nft = await openNft();
    try {
      await nft.apply(printEchoTable([]));
      for (const family of ["ipv4", "ipv6"] as const) await nft.apply(printKeeperTable(family, [], []));
    } finally {
      nft.close();
    }
  } catch (error) {
    if (!hasCode(error, "IB_BINARY_MISSING")) throw error;
  }
}
