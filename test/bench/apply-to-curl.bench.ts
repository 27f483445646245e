import type { Lab } from "../../lab/mod.ts";
import { apply, curl, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";
import { type Bench, type Figure, summarize } from "./figure.ts";

const RUNS = 20;
const NO_PEER = { peer: "none", peerValue: null };

/** From the end of `kubectl apply` of a Service of type LoadBalancer to the first answer through its address. */
export const bench: Bench = {
  summary: `a Service of type LoadBalancer applied ${RUNS} times, until curl from outside is answered`,
  run: async (progress) => {
    const figures: Figure[] = [];
    for (const proxyMode of ["nftables", "iptables"] as const) {
      const lab = await startTestLab({ proxyMode });
      try {
        await lab.applySamples();
        await waitFor("the ingress to answer", () => curl(lab, "http://192.168.1.100/"), { deadline: 20_000 });
        const times: number[] = [];
        for (let run = 1; run <= RUNS; run++) times.push(await applyOnce(lab, run));
        progress(`${proxyMode}: ${times.map((ms) => ms.toFixed(0)).join(" ")} ms`);
        figures.push(...summarize({ bench: "apply-to-curl", case: proxyMode, unit: "ms", ...NO_PEER }, times));
      } finally {
        await lab.stop();
      }
    }
    return figures;
  },
};

/** The address is asked for by name, so that the wait for it is not part of what the test itself polls. */
async function applyOnce(lab: Lab, run: number): Promise<number> {
  const name = `bench-${run}`;
  const address = `192.168.1.${120 + run}`;
  await apply(lab, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default", annotations: { "metallb.io/loadBalancerIPs": address } },
    spec: { type: "LoadBalancer", selector: { app: "shop" }, ports: [{ port: 80 }] },
  });
  const applied = performance.now();
  await waitFor("an answer", () => curl(lab, `http://${address}/`, "--connect-timeout", "0.1"), {
    deadline: 5_000,
    every: 1,
  });
  const time = performance.now() - applied;
  await lab.kubectl(["delete", "service", name]);
  return time;
}
