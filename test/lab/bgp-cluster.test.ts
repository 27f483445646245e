import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Lab } from "../../lab/mod.ts";
import { addressOf, apply, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";

/** The whole path, from kubectl to BIRD on a host outside of the cluster. */
const FILES = mkdtempSync(join(tmpdir(), "ib-bird-"));
const SOCKET = join(FILES, "bird.ctl");
const DEADLINE = { deadline: 20_000 };
const NAMESPACE = "ironbridge-system";
let lab: Lab;

beforeAll(async () => {
  lab = await startTestLab({ nodes: 2 });
  const neighbours = [1, 2].map(
    (n) =>
      `protocol bgp node${n} { local 192.168.1.10 as 64512; neighbor 192.168.1.1${n} as 64513; connect retry time 1; ipv4 { import all; export none; }; }`,
  );
  const config = ["router id 192.168.1.10;", "protocol device {}", ...neighbours].join("\n");
  writeFileSync(join(FILES, "bird.conf"), `${config}\n`);
  await lab.outside.exec("bird", ["-c", join(FILES, "bird.conf"), "-s", SOCKET, "-P", join(FILES, "bird.pid")]);
}, 60_000);
afterAll(async () => {
  await lab?.stop();
  rmSync(FILES, { recursive: true });
});

const birdc = async (command: string) =>
  (await lab.outside.exec("birdc", ["-s", SOCKET, ...command.split(" ")])).stdout;
const metadata = (name: string) => ({ name, namespace: NAMESPACE });

describe("the agent with BIRD", () => {
  test("announces a Service made with kubectl, and says so in the cluster", async () => {
    await apply(
      lab,
      {
        apiVersion: "metallb.io/v1beta2",
        kind: "BGPPeer",
        metadata: metadata("bird"),
        spec: { myASN: 64513, peerASN: 64512, peerAddress: "192.168.1.10" },
      },
      {
        apiVersion: "metallb.io/v1beta1",
        kind: "BGPAdvertisement",
        metadata: metadata("all"),
        spec: { communities: ["64513:5"] },
      },
    );
    await lab.applySamples();
    const service = (
      await lab.kubectl([
        "get",
        "services",
        "-A",
        "-o",
        "jsonpath={range .items[?(@.spec.type=='LoadBalancer')]}{.metadata.namespace}/{.metadata.name}{'\\n'}{end}",
      ])
    ).split("\n")[0]!;
    const address = await addressOf(lab, service);
    const shown = await waitFor(
      "the route of both nodes",
      async () => {
        const text = await birdc(`show route all for ${address}/32`);
        return text.includes("[node1") && text.includes("[node2") && text;
      },
      DEADLINE,
    );
    expect(shown).toContain("BGP.community: (64513,5)");
    expect(shown).toContain("BGP.next_hop: 192.168.1.11");

    const condition = async (node: string) => {
      const conditions =
        JSON.parse(await lab.kubectl(["get", "bgppeer", "-n", NAMESPACE, "bird", "-o", "json"])).status?.conditions ??
        [];
      return conditions.find(({ type }: { type: string }) => type === `session.ironbridge.io/${node}`);
    };
    for (const node of ["node1", "node2"]) {
      await waitFor(`the condition of ${node}`, async () => (await condition(node))?.status === "True", DEADLINE);
    }
    const statuses = await waitFor(
      "ServiceBGPStatus of both nodes",
      async () => {
        const { items } = JSON.parse(await lab.kubectl(["get", "servicebgpstatuses", "-A", "-o", "json"]));
        const ours = items.filter(
          ({ status }: { status?: { serviceName: string } }) =>
            `default/${status?.serviceName}` === service || service.endsWith(`/${status?.serviceName}`),
        );
        return ours.length === 2 && ours;
      },
      DEADLINE,
    );
    for (const { status } of statuses) expect(status.peers).toEqual(["bird"]);

    const key = service.split("/");
    await lab.kubectl(["delete", "service", "-n", key[0]!, key[1]!]);
    await waitFor("no route", async () => !(await birdc(`show route for ${address}/32`)).includes("[node"), DEADLINE);
    await waitFor(
      "no ServiceBGPStatus",
      async () =>
        !JSON.stringify(
          JSON.parse(await lab.kubectl(["get", "servicebgpstatuses", "-A", "-o", "json"])).items,
        ).includes(`"${key[1]}"`),
      DEADLINE,
    );
  }, 90_000);
});
