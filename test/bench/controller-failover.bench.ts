import { SERVICES } from "../../kube/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type Bench, summarize } from "./figure.ts";
import { ControllerRun, serviceObject } from "./support/controller-run.ts";

const ROUNDS = 5;
const SERVICES_BEFORE = 1_000;
const ABOUT = { bench: "controller-failover", unit: "ms", peer: "none", peerValue: null };

/** How long nobody gives addresses after the leader was killed, with the lease as it is installed. */
export const bench: Bench = {
  summary: `the leader of two controllers is killed beside ${SERVICES_BEFORE} Services, ${ROUNDS} times`,
  run: async (progress) => {
    await using run = await ControllerRun.begin();
    let leader = await run.startReplica();
    for (let i = 0; i < SERVICES_BEFORE; i++) await run.client.create(SERVICES, serviceObject(`s${i}`));
    await waitFor("all addresses", () => run.given >= SERVICES_BEFORE, { deadline: 60_000 });
    const gaps: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const other = await run.startReplica();
      const killed = performance.now();
      await leader.end("SIGKILL");
      await run.client.create(SERVICES, serviceObject(`late${round}`));
      await waitFor("an address", () => run.given > SERVICES_BEFORE + round, { deadline: 30_000, every: 5 });
      gaps.push(performance.now() - killed);
      progress(`killed to address: ${gaps.at(-1)!.toFixed(0)} ms`);
      leader = other;
    }
    return summarize({ ...ABOUT, case: "leader killed to the next address" }, gaps);
  },
};
