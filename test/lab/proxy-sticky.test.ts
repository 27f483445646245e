import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { V1Service } from "../../kube/mod.ts";
import { ADDRESSES, HOMES, type HostName, webService } from "./support/proxy-lab.ts";
import { type Ask, FAMILIES, useProxy, useStage, type Where } from "./support/proxy-stage.ts";

/** Session affinity in Kubernetes' own network specs, each by its name there; and what Ironbridge adds to spreading. */
const stage = useStage();

const ALL = { pod1: {}, pod2: {}, pod3: {} };
const HOURS = 10_800;
const sticky = (timeoutSeconds: number, spec: V1Service["spec"] = {}) =>
  webService({ sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds } }, ...spec });

/** The one endpoint of each family that answers, and goes on answering: 12 connections at random meet one of three with chance 1 of 177,147. */
async function keeper(from: HostName, where: Where, ask: Ask = {}) {
  const answers = await stage.answerers(from, where, ask);
  for (const family of FAMILIES) expect([where, answers[family].length]).toEqual([where, 1]);
  return answers;
}

async function isSpread(from: HostName, where: Where): Promise<void> {
  await stage.meets(from, where, Object.keys(ALL));
}

describe.each(HOMES)("%s", (home) => {
  useProxy(stage, home);

  test.each([
    { type: "clusterIP", where: "cluster IP" },
    { type: "NodePort", where: "node port" },
  ] as const)("should have session affinity work for service with type $type", async ({ where }) => {
    await stage.given(sticky(HOURS), ALL);
    const first = await keeper("client", where);
    expect(await keeper("client", where)).toEqual(first);
    await keeper("pod1", where);
    await keeper("client", where, { protocol: "udp" });
  });

  test.each([
    { type: "clusterIP", where: "cluster IP" },
    { type: "NodePort", where: "node port" },
  ] as const)("should be able to switch session affinity for service with type $type", async ({ where }) => {
    await stage.given(webService(), ALL);
    await isSpread("client", where);
    await stage.put(sticky(HOURS));
    await keeper("client", where);
    await stage.put(webService());
    await isSpread("client", where);
  });

  test("should have session affinity timeout work for service with type clusterIP, and for NodePort service", async () => {
    await stage.given(sticky(1), ALL);
    const seen = { "cluster IP": new Set<string>(), "node port": new Set<string>() };
    const isOver = () => Object.values(seen).every(({ size }) => size > 1);
    for (let i = 0; i < 10 && !isOver(); i++) {
      // Connections at once are all within the time.
      for (const [where, from] of [
        ["cluster IP", "client"],
        ["node port", "pod1"],
      ] as const) {
        const { ipv4, ipv6 } = await keeper(from, where);
        seen[where].add(`${ipv4} ${ipv6}`);
      }
      if (!isOver()) await sleep(home === "nftables" ? 1200 : 2100); // recent counts in whole seconds
    }
    expect(isOver()).toBe(true);
  });

  test("should have session affinity work for LoadBalancer service with ESIPP off", async () => {
    await stage.given(sticky(HOURS), ALL);
    const first = await keeper("client", "load balancer");
    for (const where of ["cluster IP", "node port"] as const) expect(await keeper("client", where)).toEqual(first);
  });

  test("should have session affinity work for LoadBalancer service with ESIPP on", async () => {
    await stage.given(sticky(HOURS, { externalTrafficPolicy: "Local" }), {
      pod1: { node: "node2" },
      pod2: {},
      pod3: {},
    });
    const first = await keeper("client", "load balancer");
    for (const family of FAMILIES) expect(["pod2", "pod3"]).toContain(first[family][0]);
    expect(await keeper("client", "node port")).toEqual(first);
    await keeper("node", "load balancer");
  });

  test.each([
    { esipp: "off", policy: {} },
    { esipp: "on", policy: { externalTrafficPolicy: "Local" } },
  ] as const)(
    "should be able to switch session affinity for LoadBalancer service with ESIPP $esipp",
    async ({ policy }) => {
      await stage.given(webService(policy), ALL);
      await isSpread("client", "load balancer");
      await stage.put(sticky(HOURS, policy));
      await keeper("client", "load balancer");
      await stage.put(webService(policy));
      await isSpread("client", "load balancer");
    },
  );

  test("keeps a client at its endpoint when others come, and moves it when that one goes", async () => {
    await stage.given(sticky(HOURS), { pod1: {}, pod2: {} });
    const first = await keeper("client", "load balancer");
    await stage.endpoints(ALL);
    expect(await keeper("client", "load balancer")).toEqual(first);
    const gone = first.ipv4[0]!;
    await stage.endpoints(Object.fromEntries(Object.entries(ALL).filter(([pod]) => pod !== gone)));
    const second = await keeper("client", "load balancer");
    expect(second.ipv4).not.toEqual([gone]);
  });

  test("gives endpoints their shares by weight", async () => {
    const web = webService();
    const weigh = (weight: number) => {
      const weights = FAMILIES.map((family) => `${ADDRESSES.pod2[family]}=${weight}`).join(",");
      return { ...web, metadata: { ...web.metadata, annotations: { "ironbridge.io/endpoint-weights": weights } } };
    };
    await stage.given(weigh(99), { pod1: {}, pod2: {} });
    const { ipv4, ipv6 } = await stage.answerers("client", "load balancer");
    for (const answers of [ipv4, ipv6]) expect(answers).toContain("pod2");
    await stage.put(weigh(0));
    await stage.meets("client", "load balancer", ["pod1"]);
  });

  test.runIf(home === "nftables").each(["source-hash", "maglev"])("spreads by %s", async (balancing) => {
    const web = webService();
    const annotations = { "ironbridge.io/load-balancing": balancing };
    await stage.given({ ...web, metadata: { ...web.metadata, annotations } }, ALL);
    if (balancing === "source-hash") await keeper("client", "load balancer");
    else
      for (const pods of Object.values(await stage.answerers("client", "load balancer")))
        expect(pods.length).toBeGreaterThan(1);
    for (const pods of Object.values(await stage.answerers("pod1", "cluster IP", { protocol: "udp" }))) {
      for (const pod of pods) expect(pod).toMatch(/^pod/);
    }
  });

  test("finds all it has written as it wrote it", async () => {
    await stage.given(sticky(93_784, { externalTrafficPolicy: "Local" }), ALL);
    // The first restart also removes what earlier tests have left unused.
    for (let i = 0; i < 2; i++) await stage.start(home);
    expect(await stage.running.written()).toBe(0);
  });
});
