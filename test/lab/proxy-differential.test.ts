import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compare, randomCluster } from "./support/proxy-differential.ts";
import { createProxyLab, HOMES, type ProxyLab } from "./support/proxy-lab.ts";

/** Clusters for each home of rules; `make test-slow` takes 500. */
const CLUSTERS = Number(process.env.IRONBRIDGE_TEST_CLUSTERS ?? 12);
/** Milliseconds for one cluster, on a busy machine. */
const PATIENCE = 5_000;

let lab: ProxyLab;
beforeAll(async () => {
  lab = await createProxyLab();
  // Refusals over UDP are ICMP errors, which the kernel sends once a second else.
  await lab.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0");
});
afterAll(() => lab.remove());

test.each(HOMES)(
  "%s: random clusters behave as the reference model says",
  async (home) => {
    const running = await lab.start(home);
    let compared = 0;
    try {
      await fc.assert(
        fc.asyncProperty(randomCluster, async (cluster) => {
          await compare(lab, running, cluster);
          compared += 1;
        }),
        { numRuns: CLUSTERS },
      );
    } finally {
      await running.stop();
    }
    expect(compared).toBe(CLUSTERS);
  },
  30_000 + CLUSTERS * PATIENCE,
);
