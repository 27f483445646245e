import { basename } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";
import { measureRate } from "./support/iperf.ts";

/** Bits per second, and seconds of each transfer. */
const RATES = [5e6, 50e6];
const SECONDS = 10;
let lab: CniLab;

beforeAll(async () => {
  lab = await createCniLab();
  lab.node1.start([nodeObject(1)]);
  await lab.node1.whenReady();
});
afterAll(() => lab.remove());

async function addPod(containerId: string, config: object) {
  const netns = await lab.addPod();
  return { ...(await lab.node1.add(containerId, netns, config)), netns: basename(netns) };
}

test.each(RATES)(
  "a pod limited to %d bit/s receives and sends within 5 % of that over 10 s, in both families",
  {
    timeout: 120_000,
  },
  async (rate) => {
    const burst = 2 ** 32 - 1; // what kubelets ask for
    const bandwidth = { ingressRate: rate, ingressBurst: burst, egressRate: rate, egressBurst: burst };
    const limited = await addPod(`limited-${rate}`, { runtimeConfig: { bandwidth } });
    const free = await addPod(`free-${rate}`, {});
    for (const family of ["ipv4", "ipv6"] as const) {
      for (const [sender, receiver] of [
        [free, limited],
        [limited, free],
      ] as const) {
        const { rate: measured } = await measureRate(sender.netns, receiver.netns, sender[family], SECONDS);
        expect(Math.abs(measured / rate - 1), `${family}, ${measured} bit/s`).toBeLessThan(0.05);
      }
    }
  },
);
