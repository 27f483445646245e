import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Lab } from "../../lab/mod.ts";
import { longestOutage, startProbe } from "../support/probe.ts";
import { addressOf, announcerOf, apply, curl, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";

const INGRESS = "http://192.168.1.100/";

function loadBalancer(name: string, app: string, annotations: Readonly<Record<string, string>> = {}) {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default", annotations },
    spec: { type: "LoadBalancer", selector: { app }, ports: [{ name: "http", port: 80, targetPort: 80 }] },
  };
}

describe.each(["nftables", "iptables"] as const)("the whole path, %s", (proxyMode) => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await startTestLab({ proxyMode });
    await lab.applySamples();
    await waitFor("the ingress to answer", () => curl(lab, INGRESS), { deadline: 20_000 });
    await waitFor("both backends to answer", async () => (await pods(lab, INGRESS, 20)).size > 1, { deadline: 10_000 });
  });
  afterAll(async () => await lab?.stop());

  test("curl from outside reaches different backends through the assigned address", async () => {
    expect(await addressOf(lab, "ingress-nginx/ingress-nginx-controller")).toBe("192.168.1.100");
    expect(await curl(lab, INGRESS, "-H", "Host: shop.example.com")).toMatch(/^shop, /);
    expect(await curl(lab, INGRESS, "-H", "Host: blog.example.com")).toMatch(/^blog, /);
    expect((await pods(lab, INGRESS, 40)).size).toBe(2);
  });

  test("a new Service of type LoadBalancer answers within a second of its apply", async () => {
    await apply(lab, loadBalancer("fresh", "shop"));
    await waitFor("an answer", async () => curl(lab, `http://${await addressOf(lab, "default/fresh")}/`), {
      deadline: 1_000,
    });
    const events = await lab.kubectl(["describe", "service", "fresh"]);
    expect(events).toMatch(/IPAllocated.*Assigned IP \["192\.168\.1\.\d+"\]/);
    await waitFor(
      "the speaker's event",
      async () => /nodeAssigned/.test(await lab.kubectl(["describe", "service", "fresh"])),
      {
        deadline: 2_000,
      },
    );
    const address = await addressOf(lab, "default/fresh");
    await lab.kubectl(["delete", "service", "fresh"]);
    await waitFor(
      "the address to stop answering",
      async () => !(await curl(lab, `http://${address}/`).catch(() => "")),
      {
        deadline: 5_000,
      },
    );
  });

  test("rules deleted by hand are back within two seconds", async () => {
    const node = lab.nodes.find(({ name }) => name === announcer)!;
    const flushes: readonly (readonly [string, ...string[]])[] = [
      ["nft", "flush", "ruleset"],
      ["iptables", "-t", "nat", "-F"],
    ];
    for (const [program, ...args] of flushes) {
      expect(await node.exec(program, args)).toMatchObject({ exitCode: 0 });
      await waitFor(`an answer after ${program} ${args.join(" ")}`, () => curl(lab, INGRESS, "--max-time", "0.3"), {
        deadline: 2_000,
      });
    }
  });

  let announcer = "";
  beforeAll(async () => {
    announcer = await waitFor("an announcer", () => announcerOf(lab, "192.168.1.100"), { deadline: 3_000 });
  });

  test("killing the announcing agent interrupts no connection, old or new", async () => {
    const node = lab.nodes.find(({ name }) => name === announcer)!;
    const established = startProbe(lab.outside.netns, INGRESS, "established");
    const fresh = startProbe(lab.outside.netns, INGRESS);
    await fresh.succeed(20, 5_000);
    const before = node.agentPid();
    node.killAgent("SIGKILL");
    const restarted = () => node.agentPid() !== undefined && node.agentPid() !== before;
    await waitFor("the agent to be started again", restarted, { deadline: 5_000 });
    await fresh.succeed(200, 10_000);
    const [old, young] = await Promise.all([established.stop(), fresh.stop()]);
    expect(old.filter(({ ok }) => !ok)).toEqual([]);
    expect(young.filter(({ ok }) => !ok)).toEqual([]);
  });

  test("killing the controller loses no address", async () => {
    const addresses = () => lab.kubectl(["get", "services", "-A", "-o", "jsonpath={.items[*].status.loadBalancer}"]);
    const before = await addresses();
    const pid = lab.controllerPid();
    lab.killController("SIGKILL");
    await waitFor("the controller to be started again", () => ![pid, undefined].includes(lab.controllerPid()), {
      deadline: 5_000,
    });
    await apply(lab, loadBalancer("after", "shop"));
    const address = await addressOf(lab, "default/after");
    expect(before).not.toContain(address);
    await lab.kubectl(["delete", "service", "after"]);
    await waitFor("the old addresses alone", async () => (await addresses()).trim() === before.trim(), {
      deadline: 2_000,
    });
  });

  test("cutting the announcing node's link moves the address within a second", async () => {
    const name = await waitFor("an announcer", () => announcerOf(lab, "192.168.1.100"), { deadline: 3_000 });
    const node = lab.nodes.find((each) => each.name === name)!;
    await onlyOnOtherNodes(lab, name);
    const probe = startProbe(lab.outside.netns, "http://192.168.1.100/healthz");
    await probe.succeed(50, 5_000);
    await node.cutLink();
    await probe.succeed(100, 5_000);
    const outage = longestOutage(await probe.stop());
    expect(outage).toBeLessThan(1_000);
    expect(await announcerOf(lab, "192.168.1.100")).not.toBe(name);
    await node.restoreLink();
    await waitFor("the node to be back", () => curl(lab, INGRESS), { deadline: 5_000 });
  });
});

/** The pods that answered `count` requests. */
async function pods(lab: Lab, url: string, count: number): Promise<ReadonlySet<string>> {
  const answers = await Promise.all(Array.from({ length: count }, () => curl(lab, url)));
  return new Set(answers.map((answer) => /pod (\S+)/.exec(answer)?.[1] ?? answer));
}

/** Moves the ingress's pods away from a node, so that cutting it off takes no endpoint with it. */
async function onlyOnOtherNodes(lab: Lab, name: string): Promise<void> {
  await lab.kubectl(["cordon", name]);
  const on = ["-n", "ingress-nginx", "get", "pods", "--field-selector", `spec.nodeName=${name}`, "-o", "name"];
  const gone = (await lab.kubectl(on)).split("\n").filter((pod) => pod !== "");
  if (gone.length > 0) await lab.kubectl(["-n", "ingress-nginx", "delete", ...gone]);
  await lab.kubectl(["-n", "ingress-nginx", "rollout", "status", "deployment", "--timeout=20s"]);
}
