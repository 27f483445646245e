import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Lab } from "../../lab/mod.ts";
import { startProbe } from "../support/probe.ts";
import { announcerOf, curl, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";

const ADDRESS = "192.168.1.101";

describe.each(["nftables", "iptables"] as const)("the drain of the announcing node, %s", (proxyMode) => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startTestLab({ proxyMode });
    await lab.applySamples();
    await waitFor("the web Service to answer", () => curl(lab, `http://${ADDRESS}/`), { deadline: 30_000 });
    const drains = "ironbridge.io/drain-on-cordon=true";
    await lab.kubectl(["annotate", "l2advertisements", "--all", "-A", "--overwrite", drains]);
  });
  afterAll(() => lab.stop());

  test("moves the address; connections that are open stay, and no request is lost", async () => {
    const before = (await waitFor("an announcer", () => announcerOf(lab, ADDRESS), { deadline: 10_000 }))!;
    const open = startProbe(lab.outside.netns, `http://${ADDRESS}/`, "established");
    const fresh = startProbe(lab.outside.netns, `http://${ADDRESS}/`);
    await Promise.all([open.succeed(50, 20_000), fresh.succeed(50, 20_000)]);
    await lab.kubectl(["cordon", before]);
    const moved = async () => ((await announcerOf(lab, ADDRESS)) ?? before) !== before;
    await waitFor("another announcer", moved, { deadline: 10_000 });
    await Promise.all([open.succeed(100, 20_000), fresh.succeed(100, 20_000)]);
    const answers = [...(await open.stop()), ...(await fresh.stop())];
    expect(answers.filter(({ ok }) => !ok)).toEqual([]);
    await lab.kubectl(["uncordon", before]);
  });
});
