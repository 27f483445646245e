import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Lab, LabNode } from "../../lab/mod.ts";
import { apply, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";
import { applyDualStackWeb, WEB_ADDRESSES } from "./support/dual-stack-web.ts";

/** The whole path, from kubectl to BIRD on a host outside of the cluster. */
const FILES = mkdtempSync(join(tmpdir(), "ib-bird-"));
const SOCKET = join(FILES, "bird.ctl");
const DEADLINE = { deadline: 20_000 };
const NAMESPACE = "ironbridge-system";
let lab: Lab;
/** The address of the Service "web" in each family, the way there, and who asks which node has it. */
const CASES = [
  {
    family: "IPv4",
    address: WEB_ADDRESSES[0],
    prefix: `${WEB_ADDRESSES[0]}/32`,
    nextHop: "192.168.1.11",
    ask: ["arping", "-c", "1", "-w", "1", "-I", "eth0", WEB_ADDRESSES[0]],
  },
  {
    family: "IPv6",
    address: WEB_ADDRESSES[1],
    prefix: `${WEB_ADDRESSES[1]}/128`,
    nextHop: "fd00:1::11",
    ask: ["ndisc6", "-1", "-r", "1", "-w", "1000", WEB_ADDRESSES[1], "eth0"],
  },
] as const;
type Case = (typeof CASES)[number];

beforeAll(async () => {
  vi.stubEnv("IRONBRIDGE_BGP_LISTEN_PORT", "179");
  lab = await startTestLab({ nodes: 2, families: "dual" });
  const neighbours = [1, 2].map(
    (n) =>
      `protocol bgp node${n} { local 192.168.1.10 as 64512; neighbor 192.168.1.1${n} as 64513; connect retry time 1;
        ipv4 { import all; export none; }; ipv6 { import all; export none; }; }`,
  );
  const config = ["router id 192.168.1.10;", "protocol device {}", ...neighbours].join("\n");
  writeFileSync(join(FILES, "bird.conf"), `${config}\n`);
  await lab.outside.exec("bird", ["-c", join(FILES, "bird.conf"), "-s", SOCKET, "-P", join(FILES, "bird.pid")]);
  await apply(lab, bgpPeer({}), metallb("BGPAdvertisement", "all", { communities: ["64513:5"] }));
  await applyDualStackWeb(lab);
}, 60_000);
afterAll(async () => {
  vi.unstubAllEnvs();
  await lab?.stop();
  rmSync(FILES, { recursive: true });
});

function metallb(kind: string, name: string, spec: object, version = "v1beta1"): object {
  return { apiVersion: `metallb.io/${version}`, kind, metadata: { name, namespace: NAMESPACE }, spec };
}
function bgpPeer(more: object): object {
  const peer = { myASN: 64513, peerASN: 64512, peerAddress: "192.168.1.10", dualStackAddressFamily: true };
  return metallb("BGPPeer", "bird", { ...peer, ...more }, "v1beta2");
}

const birdc = async (command: string) =>
  (await lab.outside.exec("birdc", ["-s", SOCKET, ...command.split(" ")])).stdout;
const get = async (...what: readonly string[]) => JSON.parse(await lab.kubectl(["get", ...what, "-o", "json"]));

const routeTo = ({ prefix }: Case) => birdc(`show route all for ${prefix}`);

/** What BIRD says of the route once both nodes announce it. */
function routeOfBoth(each: Case): Promise<string> {
  const look = async () => {
    const text = await routeTo(each);
    return text.includes("[node1") && text.includes("[node2") && text;
  };
  return waitFor(`the route of both nodes to ${each.address}`, look, DEADLINE);
}
const routesOfAll = () => Promise.all(CASES.map(routeOfBoth));

/** What the agents' metric says, node by node. */
async function metricOf(name: string): Promise<readonly number[]> {
  const read = async (node: LabNode) => {
    const { stdout } = await node.exec("curl", ["-sf", "http://127.0.0.1:10249/metrics"]);
    return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(stdout)?.[1]);
  };
  return Promise.all(lab.nodes.map(read));
}

describe("the agent with BIRD", () => {
  test.each(CASES)(
    "announces a Service made with kubectl, $family",
    async (each) => {
      const shown = await routeOfBoth(each);
      expect(shown).toContain("BGP.community: (64513,5)");
      expect(shown).toContain(`BGP.next_hop: ${each.nextHop}`);
    },
    60_000,
  );

  test("says in the cluster which sessions there are, and what is announced", async () => {
    for (const node of ["node1", "node2"]) {
      const isUp = async () =>
        ((await get("bgppeer", "-n", NAMESPACE, "bird")).status?.conditions ?? []).some(
          ({ type, status }: Record<string, string>) => type === `session.ironbridge.io/${node}` && status === "True",
        );
      await waitFor(`the condition of ${node}`, isUp, DEADLINE);
    }
    const told = async () => {
      const peers = await peersTold();
      return peers.length === 2 && peers;
    };
    expect(await waitFor("ServiceBGPStatus of both nodes", told, DEADLINE)).toEqual([["bird"], ["bird"]]);
  }, 60_000);

  test("answers ARP and NDP for what has an L2Advertisement too, and BGP goes on whether or not it has", async () => {
    const answering = async () => {
      const asked = CASES.map(({ ask: [program, ...options] }) => lab.outside.exec(program, options));
      return (await Promise.all(asked)).filter(({ exitCode }) => exitCode === 0).length;
    };
    await waitFor("answers", async () => (await answering()) === CASES.length, DEADLINE);
    await lab.kubectl(["delete", "l2advertisement", "-n", NAMESPACE, "lab-pool"]);
    await waitFor("no answer", async () => (await answering()) === 0, { deadline: 5000 });
    await routesOfAll();
    await apply(lab, metallb("L2Advertisement", "lab-pool", { ipAddressPools: ["lab-pool"] }));
    await waitFor("answers", async () => (await answering()) === CASES.length, DEADLINE);
    await routesOfAll();
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
    await routesOfAll();
    await apply(lab, metallb("BFDProfile", "late", { echoMode: true }));
    await waitFor("not stale", async () => (await stale()).join() === "0,0", DEADLINE);
    await waitFor("Valid", async () => (await results()).join() === "Valid,Valid", DEADLINE);
    const [condition] = (await get("bfdprofile", "-n", NAMESPACE, "late")).status.conditions;
    expect(condition).toMatchObject({ type: "Valid", status: "True" });
    expect(condition.message).toContain("no echo packets are sent");
    expect(await metricOf("metallb_k8s_client_config_loaded_bool")).toEqual([1, 1]);
    for (const updates of await metricOf("metallb_k8s_client_updates_total")) expect(updates).toBeGreaterThan(0);
    await routesOfAll();
  }, 60_000);

  test("waits for BIRD to connect where the BGPPeer asks for it", async () => {
    const annotate = (value: string) =>
      lab.kubectl(["annotate", "--overwrite", "bgppeer", "-n", NAMESPACE, "bird", `ironbridge.io/passive${value}`]);
    const dialled = async () => {
      const asked = lab.nodes.map((node) => node.exec("ss", ["-Htn", "state", "established", "sport", "=", ":179"]));
      return (await Promise.all(asked)).every(({ stdout }) => stdout.trim().split("\n").length === 1 && stdout !== "");
    };
    await annotate("=true");
    await waitFor("one connection to each node", dialled, DEADLINE);
    await routesOfAll();
    await annotate("-");
  }, 60_000);

  test("what an agent says goes with its Node, and is said anew when the Node is back", async () => {
    const uidOf = async () => (await get("nodes")).items.find(isNode2)?.metadata.uid as string | undefined;
    const isNode2 = ({ metadata }: { metadata: { name: string } }) => metadata.name === "node2";
    /** The Nodes that objects about node2 go with. */
    const owners = async () => {
      const states = (await get("configurationstates", "-n", NAMESPACE, "-l", "metallb.io/node-name=node2")).items;
      const statuses = (await get("servicebgpstatuses", "-n", NAMESPACE, "-l", "metallb.io/node=node2")).items;
      const found = [...states, ...statuses] as { metadata: { ownerReferences?: { uid: string }[] } }[];
      return found.map(({ metadata }) => metadata.ownerReferences?.[0]?.uid);
    };
    const before = await uidOf();
    await waitFor("both objects", async () => (await owners()).length === 2, DEADLINE);
    expect(await owners()).toEqual([before, before]);
    await lab.kubectl(["delete", "node", "node2"]);
    await waitFor("neither of the old Node", async () => !(await owners()).includes(before), DEADLINE);
    // The kubelet looks after its Node once a minute, and whenever the network is another.
    writeFileSync(join(lab.directory.node("node2").cniConf, "news"), "");
    const isBack = async () => ((await uidOf()) === before ? undefined : uidOf());
    const after = await waitFor("the Node", isBack, DEADLINE);
    await waitFor("both of the new Node", async () => (await owners()).join() === [after, after].join(), DEADLINE);
    await routesOfAll();
  }, 60_000);

  test("withdraws a Service that is deleted, and what it said of it", async () => {
    await lab.kubectl(["delete", "service", "web"]);
    const remaining = async () => (await Promise.all(CASES.map(routeTo))).filter((text) => text.includes("[node"));
    await waitFor("no route", async () => (await remaining()).length === 0, DEADLINE);
    await waitFor("no ServiceBGPStatus", async () => (await peersTold()).length === 0, DEADLINE);
  }, 60_000);
});

/** The peers that each node says it announces the Service to. */
async function peersTold(): Promise<readonly (readonly string[])[]> {
  const { items } = await get("servicebgpstatuses", "-A");
  const statuses: { serviceName: string; serviceNamespace: string; peers: string[] }[] = items.flatMap(
    ({ status }: { status?: object }) => status ?? [],
  );
  return statuses
    .filter(({ serviceName, serviceNamespace }) => serviceName === "web" && serviceNamespace === "default")
    .map(({ peers }) => peers);
}
