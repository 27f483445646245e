import { afterAll, afterEach, beforeAll, describe, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import {
  ADDRESSES,
  createProxyLab,
  HOMES,
  type ProxyLab,
  podSlice,
  type RunningProxy,
  webService,
} from "./support/proxy-lab.ts";

let lab: ProxyLab;
let running: RunningProxy;

beforeAll(async () => {
  lab = await createProxyLab();
});
afterAll(() => lab.remove());

const FAMILIES = ["ipv4", "ipv6"] as const;
const FRONTS = {
  ipv4: [
    ["10.96.0.10", 53],
    ["192.168.1.100", 53],
    [ADDRESSES.node.ipv4, 30053],
  ],
  ipv6: [
    ["fd00:96::10", 53],
    ["fd00:1::100", 53],
    [ADDRESSES.node.ipv6, 30053],
  ],
} as const;

describe.each(HOMES)("%s", (home) => {
  beforeAll(async () => {
    running = await lab.start(home);
  });
  afterAll(() => running.stop());
  afterEach(async () => {
    lab.stores.services.remove("shop/web");
    for (const family of FAMILIES) lab.stores.slices.remove(`shop/web-${family}`);
    await running.settled();
  });

  test.each(FAMILIES)("UDP flows follow the endpoints of a Service: %s", async (family) => {
    const deadline = { deadline: 3000, every: 20 };
    // The same source port each time, so that each flow is one to the kernel.
    const ask = async (front: number) => {
      const [host, port] = FRONTS[family][front]!;
      const answer = await lab.hosts.client.ask(host, port, { protocol: "udp", timeout: 200, from: 40_000 + front });
      return answer.split(" ")[0];
    };
    const followed = async (who: string) => {
      for (const front of [0, 1, 2])
        await waitFor(`${who} on ${front}`, async () => (await ask(front)) === who, deadline);
    };
    lab.stores.services.set(webService());
    lab.stores.slices.set(podSlice(family, { pod2: {} }));
    await running.settled();
    await followed("pod2");
    lab.stores.slices.set(podSlice(family, { pod3: {} }));
    await running.settled();
    await followed("pod3");
    // The last endpoint goes, a flow begins meanwhile, and an endpoint comes back.
    lab.stores.slices.set(podSlice(family, {}));
    await running.settled();
    await waitFor("no answer", async () => ["refused", "silent"].includes((await ask(0))!), deadline);
    lab.stores.slices.set(podSlice(family, { pod2: {} }));
    await running.settled();
    await followed("pod2");
    lab.stores.services.remove("shop/web");
    await running.settled();
    const [host] = FRONTS[family][0];
    const flows = () => lab.run("conntrack", "-L", "-p", "udp", "-f", family, "--orig-dst", host);
    await waitFor(
      "the deleted Service's flows to be forgotten",
      async () => !(await flows()).includes("10.244.1.3"),
      deadline,
    );
  });
});
