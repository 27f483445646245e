import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Lab, LabNode } from "../../lab/mod.ts";
import { addressOf, apply, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";

/** The whole path, from kubectl to BIRD on a host outside of the cluster. */
const FILES = mkdtempSync(join(tmpdir(), "ib-bird-"));
const SOCKET = join(FILES, "bird.ctl");
const DEADLINE = { deadline: 20_000 };
const NAMESPACE = "ironbridge-system";
let lab: Lab;
/** A Service of the samples, and its address. */
const SERVICE = { namespace: "default", name: "web" };
let address: string;

beforeAll(async () => {
  lab = await startTestLab({ nodes: 2 });
  const neighbours = [1, 2].map(
    (n) =>
      `protocol bgp node${n} { local 192.168.1.10 as 64512; neighbor 192.168.1.1${n} as 64513; connect retry time 1; ipv4 { import all; export none; }; }`,
  );
  const config = ["router id 192.168.1.10;", "protocol device {}", ...neighbours].join("\n");
  writeFileSync(join(FILES, "bird.conf"), `${config}\n`);
  await lab.outside.exec("bird", ["-c", join(FILES, "bird.conf"), "-s", SOCKET, "-P", join(FILES, "bird.pid")]);
  await apply(lab, bgpPeer({}), metallb("BGPAdvertisement", "all", { communities: ["64513:5"] }));
  await lab.applySamples();
  address = await addressOf(lab, `${SERVICE.namespace}/${SERVICE.name}`);
}, 60_000);
afterAll(async () => {
  await lab?.stop();
  rmSync(FILES, { recursive: true });
});

function metallb(kind: string, name: string, spec: object, version = "v1beta1"): object {
  return { apiVersion: `metallb.io/${version}`, kind, metadata: { name, namespace: NAMESPACE }, spec };
}
function bgpPeer(more: object): object {
  return metallb("BGPPeer", "bird", { myASN: 64513, peerASN: 64512, peerAddress: "192.168.1.10", ...more }, "v1beta2");
}

const birdc = async (command: string) =>
  (await lab.outside.exec("birdc", ["-s", SOCKET, ...command.split(" ")])).stdout;
const get = async (...what: readonly string[]) => JSON.parse(await lab.kubectl(["get", ...what, "-o", "json"]));

/** What BIRD says of the route once both nodes announce it. */
function routeOfBoth(): Promise<string> {
  const look = async () => {
    const text = await birdc(`show route all for ${address}/32`);
    return text.includes("[node1") && text.includes("[node2") && text;
  };
  return waitFor("the route of both nodes", look, DEADLINE);
}

/** What the agents' metric says, node by node. */
async function metricOf(name: string): Promise<readonly number[]> {
  const read = async (node: LabNode) => {
    const { stdout } = await node.exec("curl", ["-sf", "http://127.0.0.1:10249/metrics"]);
    return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(stdout)?.[1]);
  };
  return Promise.all(lab.nodes.map(read));
}

describe("the agent with BIRD", () => {
  test("announces a Service made with kubectl, and says so in the cluster", async () => {
    const shown = await routeOfBoth();
    expect(shown).toContain("BGP.community: (64513,5)");
    expect(shown).toContain("BGP.next_hop: 192.168.1.11");
    for (const node of ["node1", "node2"]) {
      const isUp = async () =>
        ((await get("bgppeer", "-n", NAMESPACE, "bird")).status?.conditions ?? []).some(
          ({ type, status }: Record<string, string>) => type === `session.ironbridge.io/${node}` && status === "True",
        );
      await waitFor(`the condition of ${node}`, isUp, DEADLINE);
    }
    const statuses = await waitFor(
      "ServiceBGPStatus of both nodes",
      async () => {
        const ours = (await statusesOfService()).map(({ peers }) => peers);
        return ours.length === 2 && ours;
      },
      DEADLINE,
    );
    expect(statuses).toEqual([["bird"], ["bird"]]);
  }, 60_000);

  test("answers ARP for what has an L2Advertisement too, and BGP goes on whether or not it has", async () => {
    const answers = async () =>
      (await lab.outside.exec("arping", ["-c", "1", "-w", "1", "-I", "eth0", address])).stdout.includes("reply from");
    const answersOnce = async () => (await answers()) || undefined;
    await lab.kubectl(["delete", "l2advertisement", "-n", NAMESPACE, "lab-pool"]);
    await waitFor("no answer", async () => !(await answers()), { deadline: 5000 });
    await routeOfBoth();
    await apply(lab, metallb("L2Advertisement", "lab-pool", { ipAddressPools: ["lab-pool"] }));
    await waitFor("an answer", answersOnce, DEADLINE);
    await routeOfBoth();
  }, 60_000);

  test("tells a mistake in BGP's configuration as stale, and goes on as before", async () => {
    const stale = () => metricOf("metallb_k8s_client_config_stale_bool");
    const results = async () =>
      (await get("configurationstates", "-n", NAMESPACE)).items
        .filter(({ metadata }: { metadata: { name: string } }) => metadata.name.startsWith("speaker-"))
        .map(({ status }: { status?: { result: string } }) => status?.result);
    expect(await stale()).toEqual([0, 0]);
    await apply(lab, bgpPeer({ bfdProfile: "late" }));
    await waitFor("stale", async () => (await stale()).join() === "1,1", DEADLINE);
    await waitFor("Invalid", async () => (await results()).join() === "Invalid,Invalid", DEADLINE);
    await routeOfBoth();
    await apply(lab, metallb("BFDProfile", "late", { echoMode: true }));
    await waitFor("not stale", async () => (await stale()).join() === "0,0", DEADLINE);
    await waitFor("Valid", async () => (await results()).join() === "Valid,Valid", DEADLINE);
    const [condition] = (await get("bfdprofile", "-n", NAMESPACE, "late")).status.conditions;
    expect(condition).toMatchObject({ type: "Valid", status: "True" });
    expect(condition.message).toContain("no echo packets are sent");
    expect(await metricOf("metallb_k8s_client_config_loaded_bool")).toEqual([1, 1]);
    for (const updates of await metricOf("metallb_k8s_client_updates_total")) expect(updates).toBeGreaterThan(0);
    await routeOfBoth();
  }, 60_000);

  test("withdraws a Service that is deleted, and what it said of it", async () => {
    await lab.kubectl(["delete", "service", "-n", SERVICE.namespace, SERVICE.name]);
    await waitFor("no route", async () => !(await birdc(`show route for ${address}/32`)).includes("[node"), DEADLINE);
    await waitFor("no ServiceBGPStatus", async () => (await statusesOfService()).length === 0, DEADLINE);
  }, 60_000);
});

async function statusesOfService(): Promise<readonly { readonly peers: readonly string[] }[]> {
  const { items } = await get("servicebgpstatuses", "-A");
  const statuses: { serviceName: string; serviceNamespace: string; peers: string[] }[] = items.flatMap(
    ({ status }: { status?: object }) => status ?? [],
  );
  return statuses.filter(
    ({ serviceName, serviceNamespace }) => serviceName === SERVICE.name && serviceNamespace === SERVICE.namespace,
  );
}
