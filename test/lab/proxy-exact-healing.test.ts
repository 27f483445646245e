import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import {
  createProxyLab,
  homeKernel,
  NODE_NETNS,
  type ProxyLab,
  podSlice,
  type RunningProxy,
  sortedRules,
  webService,
} from "./support/proxy-lab.ts";

const TABLE = "ip ironbridge-proxy";
const VIP = "192.168.1.100";

let lab: ProxyLab;
let running: RunningProxy;
/** How many maps and sets the proxy has read whole. */
let readings = 0;

beforeAll(async () => {
  lab = await createProxyLab();
  lab.stores.services.set(webService({ loadBalancerSourceRanges: ["192.168.1.0/24"] }));
  lab.stores.slices.set(podSlice("ipv4", { pod2: {}, pod3: {} }));
  const kernel = homeKernel(lab.netns, "nftables");
  running = await lab.start("nftables", {
    kernel: {
      ...kernel,
      nft: async () => {
        const nft = await kernel.nft();
        return {
          ...nft,
          elements: (...args) => {
            readings++;
            return nft.elements(...args);
          },
        };
      },
    },
  });
});
beforeEach(() => {
  readings = 0;
});
afterAll(async () => {
  await running.stop();
  await lab.remove();
});

async function rules(): Promise<string> {
  return sortedRules(await lab.run("nft", "list", "table", ...TABLE.split(" ")));
}

/** Runs nft on the node behind this process' back: what it starts with exec() counts as its own doing. */
function byOthers(script: string): void {
  const { status, stderr } = spawnSync("ip", ["netns", "exec", NODE_NETNS, "nft", "-f", "-"], { input: script });
  expect([status, String(stderr)]).toEqual([0, ""]);
}

describe("puts right what others changed without reading what they did not change", () => {
  const front = `${VIP} . tcp . 80`;
  const mishaps: Record<string, string> = {
    "one element deleted": `delete element ${TABLE} services { ${front} }`,
    "one element led elsewhere": `delete element ${TABLE} services { ${front} }; add element ${TABLE} services { ${front} : drop }`,
    "an element of a stranger": `add element ${TABLE} services { 10.96.9.9 . tcp . 80 : drop }`,
    "endpoints flushed": `flush map ${TABLE} tcp-endpoints`,
    "a range deleted": `delete element ${TABLE} allowed-sources { ${front} . 192.168.1.0/24 }`,
    "one chain flushed": `flush chain ${TABLE} tcp-external-2`,
    "all rules flushed": `flush table ${TABLE}`,
    "a rule put first": `insert rule ${TABLE} dispatch drop`,
    "a chain and a set of a stranger": `add chain ${TABLE} mine; add set ${TABLE} mine { type ipv4_addr; }`,
  };
  test.each(Object.entries(mishaps))("%s", async (_, script) => {
    const before = await rules();
    expect(await lab.hosts.client.ask(VIP, 80)).toMatch(/^pod/);
    byOthers(`${script}\n`);
    await waitFor("the rules to be back", async () => (await rules()) === before, { deadline: 2000 });
    expect(await lab.hosts.client.ask(VIP, 80)).toMatch(/^pod/);
    expect(readings).toBe(0);
  });

  test.each([
    ["a hook that drops", `add chain ${TABLE} filter-forward { policy drop; }`],
    ["a dormant table", `add table ${TABLE} { flags dormant; }`],
  ])("%s, with a table of its own", async (_, script) => {
    const before = await rules();
    byOthers(`${script}\n`);
    await waitFor("the rules to be back", async () => (await rules()) === before, { deadline: 2000 });
    expect(await lab.hosts.client.ask(VIP, 80)).toMatch(/^pod/);
  });
});
