import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Lab, SAMPLES } from "../../lab/mod.ts";
import { startProbe } from "../support/probe.ts";
import { announcerOf, curl, hostOf, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";

const ADDRESSES = ["192.168.1.100", "fd00:1::100"] as const;

/** The sample `web` with an address of each family, on which its pods listen too. */
async function applyDualStackWeb(lab: Lab): Promise<void> {
  const sample = (name: string) => readFile(join(SAMPLES, name), "utf8");
  const pool = (await sample("01-pool.yaml")).replace("addresses:\n", "addresses:\n    - fd00:1::100-fd00:1::150\n");
  const web = (await sample("04-web.yaml"))
    .replace("listen 80;", "listen [::]:80 ipv6only=off;")
    .replace("type: LoadBalancer\n", "type: LoadBalancer\n  ipFamilyPolicy: RequireDualStack\n");
  for (const text of [pool, web]) await lab.kubectl(["apply", "-f", "-"], text);
}

describe.each(["nftables", "iptables"] as const)("the drain of the announcing node, %s", (proxyMode) => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startTestLab({ proxyMode, families: "dual" });
    await applyDualStackWeb(lab);
    for (const address of ADDRESSES) {
      await waitFor(`${address} to answer`, () => curl(lab, `http://${hostOf(address)}/`), { deadline: 30_000 });
    }
    const drains = "ironbridge.io/drain-on-cordon=true";
    await lab.kubectl(["annotate", "l2advertisements", "--all", "-A", "--overwrite", drains]);
  });
  afterAll(() => lab.stop());

  test("before anything moves, the other nodes know who keeps the connections of both addresses", async () => {
    const [ipv4, ipv6] = ADDRESSES;
    const name = (await waitFor("an announcer", () => announcerOf(lab, ipv4), { deadline: 10_000 }))!;
    const number = Number(name.replace("node", ""));
    const keepers = [`${ipv4} : 192.168.1.${10 + number}`, `${ipv6} : fd00:1::${10 + number}`];
    for (const node of lab.nodes.filter((each) => each.name !== name)) {
      const known = async () => {
        const { stdout } = await node.exec("nft", ["list", "ruleset"]);
        return keepers.every((keeper) => stdout.includes(keeper));
      };
      await waitFor(`${node.name} to know ${keepers}`, known, { deadline: 10_000 });
    }
  });

  test.each(ADDRESSES)("moves %s; connections that are open stay, and no request is lost", async (address) => {
    const url = `http://${hostOf(address)}/`;
    const before = (await waitFor("an announcer", () => announcerOf(lab, address), { deadline: 10_000 }))!;
    const open = startProbe(lab.outside.netns, url, "established");
    const fresh = startProbe(lab.outside.netns, url);
    await Promise.all([open.succeed(50, 20_000), fresh.succeed(50, 20_000)]);
    await lab.kubectl(["cordon", before]);
    const moved = async () => ((await announcerOf(lab, address)) ?? before) !== before;
    await waitFor("another announcer", moved, { deadline: 10_000 });
    await Promise.all([open.succeed(100, 20_000), fresh.succeed(100, 20_000)]);
    const answers = [...(await open.stop()), ...(await fresh.stop())];
    expect(answers.filter(({ ok }) => !ok)).toEqual([]);
    await lab.kubectl(["uncordon", before]);
  });
});
