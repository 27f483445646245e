import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Lab } from "../../lab/mod.ts";
import { announcerOf, apply, curl, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";

const ADDRESS = "192.168.1.101";
let lab: Lab;

beforeAll(async () => {
  lab = await startTestLab();
  await lab.applySamples();
  await waitFor("the web Service to answer", () => curl(lab, `http://${ADDRESS}/`), { deadline: 30_000 });
});
afterAll(() => lab.stop());

/** Node and interfaces of every ServiceL2Status of the Service web. */
async function statuses(): Promise<string[]> {
  const path = '{range .items[*]}{.status.node} {.status.interfaces[*].name}{"\\n"}{end}';
  const selector = "metallb.io/service-name=web,metallb.io/service-namespace=default";
  const text = await lab.kubectl(["get", "servicel2statuses", "-A", "-l", selector, "-o", `jsonpath=${path}`]);
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}
const announced = (node: string) =>
  waitFor(`a status that names ${node}`, async () => (await statuses()).join() === node, { deadline: 5000 });

describe("ServiceL2Status", () => {
  test("row 2: there is one, and it names the node that answers", async () => {
    const node = (await waitFor("an announcer", () => announcerOf(lab, ADDRESS), { deadline: 5000 }))!;
    await announced(node);
    const events = await lab.kubectl([
      "get",
      "events",
      "--field-selector",
      "reason=nodeAssigned,involvedObject.name=web",
      "-o",
      "jsonpath={.items[*].message}",
    ]);
    expect(events).toContain(`announcing from node "${node}" with protocol "layer2"`);
  });

  test("follows the address to another node when its own link is cut", async () => {
    const [before = ""] = await statuses();
    const node = lab.nodes.find(({ name }) => name === before)!;
    await node.cutLink();
    try {
      const moved = async () =>
        (await statuses()).filter((each) => each !== before).length === 1 && (await statuses()).length === 1;
      await waitFor("another node in the status", moved, { deadline: 10_000 });
    } finally {
      await node.restoreLink();
    }
  });

  test("row 17: names the interfaces of an advertisement that is limited to some", async () => {
    const advert = {
      apiVersion: "metallb.io/v1beta1",
      kind: "L2Advertisement",
      metadata: { name: "default", namespace: "ironbridge-system" },
    };
    const [existing = ""] = (
      await lab.kubectl([
        "get",
        "l2advertisements",
        "-A",
        "-o",
        "jsonpath={.items[*].metadata.namespace}/{.items[*].metadata.name}",
      ])
    ).split(" ");
    const [namespace = "", name = ""] = existing.split("/");
    await apply(lab, { ...advert, metadata: { name, namespace }, spec: { interfaces: ["eth0"] } });
    const named = async () => (await statuses()).some((each) => each.endsWith(" eth0"));
    await waitFor("the interface in the status", named, { deadline: 5000 });
    await apply(lab, { ...advert, metadata: { name, namespace }, spec: { interfaces: ["eth9"] } });
    const failed = async () =>
      (
        await lab.kubectl([
          "get",
          "events",
          "--field-selector",
          "reason=announceFailed",
          "-o",
          "jsonpath={.items[*].message}",
        ])
      ).includes(`the interfaces specified by LB IP "${ADDRESS}" doesn't exist in assigned node`);
    await waitFor("the event announceFailed", failed, { deadline: 10_000 });
    await waitFor("no status", async () => (await statuses()).length === 0, { deadline: 5000 });
    await apply(lab, { ...advert, metadata: { name, namespace }, spec: {} });
    await waitFor("a status again", async () => (await statuses()).length === 1, { deadline: 10_000 });
  });

  test("ping is answered when the pool asks for it, and only while the Service has endpoints", async () => {
    const ping = async () => (await lab.outside.exec("ping", ["-c", "1", "-W", "1", ADDRESS])).exitCode === 0;
    const asks = (value: string) =>
      lab.kubectl(["annotate", "ipaddresspools", "--all", "-A", "--overwrite", `ironbridge.io/answer-echo${value}`]);
    expect(await ping()).toBe(false);
    await asks("=true");
    await waitFor("an answer to ping", ping, { deadline: 5000 });
    expect(await curl(lab, `http://${ADDRESS}/`)).not.toBe("");
    await lab.kubectl(["scale", "deployment", "web", "--replicas=0"]);
    await waitFor("silence", async () => !(await ping()), { deadline: 10_000 });
    await lab.kubectl(["scale", "deployment", "web", "--replicas=3"]);
    await waitFor("an answer to ping again", ping, { deadline: 20_000 });
    await asks("-");
    await waitFor("silence", async () => !(await ping()), { deadline: 5000 });
  });

  test("row 2: is gone with the Service", async () => {
    await lab.kubectl(["delete", "service", "web"]);
    await waitFor("no status", async () => (await statuses()).length === 0, { deadline: 5000 });
  });
});
