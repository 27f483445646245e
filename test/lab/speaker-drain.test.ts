import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Lab } from "../../lab/mod.ts";
import { startProbe } from "../support/probe.ts";
import { announcerOf, hostOf, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";
import { applyDualStackWeb, WEB_ADDRESSES } from "./support/dual-stack-web.ts";

describe.each(["nftables", "iptables"] as const)("the drain of the announcing node, %s", (proxyMode) => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startTestLab({ proxyMode, families: "dual" });
    await applyDualStackWeb(lab);
    const drains = "ironbridge.io/drain-on-cordon=true";
    await lab.kubectl(["annotate", "l2advertisements", "--all", "-A", "--overwrite", drains]);
  });
  afterAll(() => lab.stop());

  test("before anything moves, the other nodes know who keeps the connections of both addresses", async () => {
    const [ipv4, ipv6] = WEB_ADDRESSES;
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

  test.each(WEB_ADDRESSES)("moves %s; connections that are open stay, and no request is lost", async (address) => {
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
