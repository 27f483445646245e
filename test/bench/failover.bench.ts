import type { Lab } from "../../lab/mod.ts";
import { longestOutage, startProbe } from "../support/probe.ts";
import { announcerOf, curl, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";
import { type Bench, summarize } from "./figure.ts";

const RUNS = 10;
const ADDRESS = "192.168.1.101";
/** MetalLB 0.15.2, L2, link of the announcing node cut, endpoints elsewhere: 5.3, 7.0, 7.6, 8.1 s; the median. */
const METALLB = { peer: "MetalLB 0.15.2 on Kubernetes 1.34, recorded 2026-11", peerValue: 7_300 };

/** How long a client outside sees nothing when the announcing node's link is cut. */
export const bench: Bench = {
  summary: `link of the announcing node cut ${RUNS} times; the longest time without an answer, new connections every 10 ms`,
  run: async (progress) => {
    const lab = await startTestLab();
    try {
      await lab.applySamples();
      await waitFor("the web Service to answer", () => curl(lab, `http://${ADDRESS}/`), { deadline: 20_000 });
      const outages: number[] = [];
      for (let run = 1; run <= RUNS; run++) {
        outages.push(await cutOnce(lab));
        progress(`run ${run}: ${outages.at(-1)!.toFixed(0)} ms`);
      }
      return summarize({ bench: "failover", case: "link cut, L2", unit: "ms", ...METALLB }, outages);
    } finally {
      await lab.stop();
    }
  },
};

async function cutOnce(lab: Lab): Promise<number> {
  const name = await waitFor("an announcer", () => announcerOf(lab, ADDRESS), { deadline: 5_000 });
  const node = lab.nodes.find((each) => each.name === name)!;
  // Endpoints on the cut node would be lost with it, whoever announces.
  await lab.kubectl(["cordon", name]);
  const onNode = ["get", "pods", "-l", "app=web", "--field-selector", `spec.nodeName=${name}`, "-o", "name"];
  const pods = (await lab.kubectl(onNode)).split("\n").filter((pod) => pod !== "");
  if (pods.length > 0) await lab.kubectl(["delete", ...pods]);
  await lab.kubectl(["rollout", "status", "deployment", "web", "--timeout=20s"]);
  const probe = startProbe(lab.outside.netns, `http://${ADDRESS}/`);
  await probe.succeed(50, 10_000);
  await node.cutLink();
  await probe.succeed(100, 20_000);
  const outage = longestOutage(await probe.stop());
  await node.restoreLink();
  await lab.kubectl(["uncordon", name]);
  return outage;
}
