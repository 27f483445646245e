import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Netns, openIptables } from "../../linux/mod.ts";
import { createNamespaces } from "./support/linux-namespaces.ts";

let a: Netns;
let remove: () => Promise<void>;
/** Of its own, because the real one belongs to the whole machine. */
const directory = mkdtempSync(join(tmpdir(), "ib-lock-"));
const lock = join(directory, "xtables.lock");
const release: (() => void)[] = [];

beforeAll(async () => {
  process.env.XTABLES_LOCKFILE = lock;
  ({ a, remove } = await createNamespaces());
});
afterEach(() => {
  for (const stop of release.splice(0)) stop();
});
afterAll(async () => {
  delete process.env.XTABLES_LOCKFILE;
  rmSync(directory, { recursive: true });
  await remove();
});

/** Another program takes the lock until the test is over. */
async function holdLock(): Promise<() => void> {
  const holder = spawn("flock", [lock, "sh", "-c", "echo held; exec cat"], { stdio: ["pipe", "pipe", "inherit"] });
  const letGo = () => void holder.stdin.end();
  release.push(letGo);
  await once(holder.stdout, "data");
  return letGo;
}

const SCRIPT = "*nat\n:IB-TEST - [0:0]\nCOMMIT\n";

describe("openIptables() while another program holds the lock", () => {
  test("waits for it", async () => {
    const iptables = await openIptables("ipv4", "legacy", a);
    const letGo = await holdLock();
    const restored = iptables.restore(SCRIPT);
    letGo();
    await restored;
    expect(await iptables.save("nat")).toContain(":IB-TEST ");
  });

  test("tells in one sentence that it has waited for long, and which file it is", async () => {
    const iptables = await openIptables("ipv4", "legacy", a);
    await holdLock();
    await expect(iptables.restore(SCRIPT)).rejects.toThrow(
      `iptables-legacy-restore: another program has held the lock ${lock} for 5 s; fuser ${lock} tells which`,
    );
  });
});
