import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";

const IRONBRIDGE = fileURLToPath(new URL("../../bin/ironbridge", import.meta.url));
const NETNS = `ib-spcl-${process.pid}`;
const run = (command: readonly string[], input?: string) =>
  exec("ip", ["netns", "exec", NETNS, ...command], input === undefined ? {} : { input });

test("`ironbridge cleanup --parts speaker` removes the tables of the speaker, where there are any, and no others", async () => {
  const stateDir = mkdtempSync(join(tmpdir(), "ib-cleanup-"));
  const forwarding = join(stateDir, "bgp-boot-id");
  writeFileSync(forwarding, "");
  await exec("ip", ["netns", "add", NETNS]);
  try {
    const tables = ["inet ironbridge-echo", "ip ironbridge-flows", "ip6 ironbridge-flows", "ip other"];
    await run(["nft", "-f", "-"], tables.map((table) => `add table ${table}\n`).join(""));
    for (let round = 0; round < 2; round++) {
      await run([IRONBRIDGE, "cleanup", "--parts", "speaker", "--state-dir", stateDir]);
      expect(existsSync(forwarding)).toBe(false);
      expect((await run(["nft", "list", "tables"])).trim()).toBe("table ip other");
    }
  } finally {
    await exec("ip", ["netns", "del", NETNS]);
    rmSync(stateDir, { recursive: true });
  }
});
