import { describe, expect, test } from "vitest";
import { SERVICE_L2_STATUSES, type ServiceL2Status } from "../../../config/mod.ts";
import { silentLog } from "../../../core/mod.ts";
import { fakeKubeClient } from "../../../kube/mod.ts";
import { startL2StatusWriter, statusChange } from "../../../speaker/l2-status-writer.ts";
import { waitFor } from "../../support/wait.ts";

const object = (name: string, node: string, service = "web", interfaces: string[] = []): ServiceL2Status => ({
  metadata: { name, namespace: "lb" },
  status: {
    node,
    serviceName: service,
    serviceNamespace: "shop",
    interfaces: interfaces.map((each) => ({ name: each })),
  },
});
const names = (objects: readonly ServiceL2Status[]) => objects.map(({ metadata }) => metadata?.name);

describe("statusChange()", () => {
  test("creates one for each Service that is announced", () => {
    const { create } = statusChange([], new Map([["shop/web", ["eth1"]]]), "node1");
    expect(create).toEqual([
      {
        metadata: {
          labels: {
            "metallb.io/node": "node1",
            "metallb.io/service-name": "web",
            "metallb.io/service-namespace": "shop",
          },
        },
        status: { node: "node1", serviceName: "web", serviceNamespace: "shop", interfaces: [{ name: "eth1" }] },
      },
    ]);
  });

  test("removes its own of Services it does not announce, and others' of those it does", () => {
    const objects = [
      object("mine", "node1"),
      object("old", "node1", "gone"),
      object("theirs", "node2"),
      object("far", "node2", "far"),
    ];
    const change = statusChange(objects, new Map([["shop/web", []]]), "node1");
    expect(change.create).toEqual([]);
    expect(names(change.remove)).toEqual(["old", "theirs"]);
  });

  test("keeps one of two of its own, and sets its interfaces right", () => {
    const change = statusChange(
      [object("a", "node1"), object("b", "node1")],
      new Map([["shop/web", ["eth0"]]]),
      "node1",
    );
    expect(names(change.update)).toEqual(["a"]);
    expect(change.update[0]?.status?.interfaces).toEqual([{ name: "eth0" }]);
    expect(names(change.remove)).toEqual(["b"]);
  });
});

describe("startL2StatusWriter()", () => {
  test("writes the objects to the cluster and takes them away again", async () => {
    const client = fakeKubeClient();
    const stop = new AbortController();
    let announced = new Map([["shop/web", [] as string[]]]);
    const ownNode = () => ({ metadata: { name: "node1", uid: "4f1c" } });
    const options = { client, namespace: "lb", node: "node1", ownNode, announced: () => announced, log: silentLog() };
    const writer = startL2StatusWriter(options, stop.signal);
    const list = async () => (await client.list(SERVICE_L2_STATUSES, { namespace: "lb" })).items;
    const [written] = await waitFor("the object", async () => (await list())[0]?.status && (await list()), {
      deadline: 2000,
    });
    expect(written?.status).toMatchObject({ node: "node1", serviceName: "web", serviceNamespace: "shop" });
    expect(written?.metadata?.name).toMatch(/^l2-/);
    expect(written?.metadata).toMatchObject({ ownerReferences: [{ kind: "Node", name: "node1", uid: "4f1c" }] });
    announced = new Map();
    writer.poke();
    await waitFor("its end", async () => (await list()).length === 0, { deadline: 2000 });
    stop.abort();
  });
});
