import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kernelOf, removeRules } from "../../proxy/mod.ts";
import { waitFor } from "../support/wait.ts";
import {
  createProxyLab,
  HOMES,
  type Home,
  type ProxyLab,
  podSlice,
  type RunningProxy,
  webService,
} from "./support/proxy-lab.ts";

/** Connections held all the while; `HELD_CONNECTIONS=10000` for the long form. */
const HELD = Number(process.env.HELD_CONNECTIONS ?? 1000);
const VIP = "192.168.1.100";
/** Milliseconds: each connection is asked after each step. */
const PATIENCE = 60_000 + 30 * HELD;

let lab: ProxyLab;
let running: RunningProxy | undefined;

beforeAll(async () => {
  lab = await createProxyLab();
});
afterAll(async () => {
  await running?.stop();
  await removeRules(kernelOf(lab.netns));
  await lab.remove();
});

async function switchTo(home: Home): Promise<void> {
  await running?.stop();
  running = await lab.start(home);
}

describe(`${HELD} connections`, () => {
  test(
    "outlive edits of their Service, more and fewer endpoints, restarts, and every change of the home of rules",
    async () => {
      lab.stores.services.set(webService());
      lab.stores.slices.set(podSlice("ipv4", { pod1: {}, pod2: {} }));
      await switchTo("nftables");
      const hold = { kind: "hold", host: VIP, port: 80, count: HELD } as const;
      expect(await lab.hosts.client.order(hold)).toBe(String(HELD));

      const edits: Record<string, () => void | Promise<void>> = {
        "session affinity": () => lab.stores.services.set(webService({ sessionAffinity: "ClientIP" })),
        "traffic policy Local": () => lab.stores.services.set(webService({ externalTrafficPolicy: "Local" })),
        "another load balancing": () => {
          const annotations = { "ironbridge.io/load-balancing": "maglev" };
          const service = webService();
          lab.stores.services.set({ ...service, metadata: { ...service.metadata, annotations } });
        },
        "as it was": () => lab.stores.services.set(webService()),
        "an endpoint more": () => lab.stores.slices.set(podSlice("ipv4", { pod1: {}, pod2: {}, pod3: {} })),
        // TCP connections to an endpoint that is ending are its own to end.
        "an endpoint less": () => lab.stores.slices.set(podSlice("ipv4", { pod2: {}, pod3: {} })),
        "an upgrade, which is a restart": () => switchTo("nftables"),
      };
      for (const home of [...HOMES.slice(1), HOMES[0]]) edits[`to ${home}`] = () => switchTo(home);

      for (const [name, edit] of Object.entries(edits)) {
        await edit();
        await running?.settled();
        const answered = await lab.hosts.client.order({ kind: "holding" });
        expect([name, answered]).toEqual([name, String(HELD)]);
      }
      // The rules of the homes left behind go.
      const isAlone = async () => !(await lab.run("iptables-legacy-save")).includes("IRON-");
      await waitFor("the other homes' rules to be gone", isAlone, { deadline: 10_000 });
      expect(await lab.hosts.client.order({ kind: "holding" })).toBe(String(HELD));
      expect(await lab.hosts.client.order({ kind: "drop" })).toBe("dropped");
    },
    PATIENCE,
  );
});
