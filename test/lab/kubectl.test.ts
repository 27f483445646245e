import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { silentLog } from "../../core/mod.ts";
import { type KubeClient, type KubeObject, NODES, PODS, type Resource } from "../../kube/mod.ts";
import { type ApiServer, kubeClientOf, startApiServer } from "../../lab/api/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type Kubectl, kubectlFor } from "./support/kubectl.ts";

const CRDS = ["ipaddresspools", "l2advertisements"].map((plural) =>
  parse(readFileSync(new URL(`../../deploy/crds/metallb.io_${plural}.yaml`, import.meta.url), "utf8")),
);
const DEPLOYMENTS: Resource<KubeObject> = {
  group: "apps",
  version: "v1",
  kind: "Deployment",
  plural: "deployments",
  namespaced: true,
};

let server: ApiServer;
let client: KubeClient;
let kubectl: Kubectl;

beforeAll(async () => {
  server = await startApiServer({
    listen: [{ host: "127.0.0.1", port: 0 }],
    crds: CRDS,
    log: silentLog(),
    logs: async function* (pod, { container }) {
      yield `hello from ${pod.metadata.name}/${container}\n`;
    },
  });
  client = kubeClientOf(server);
  kubectl = kubectlFor(server.url);
});
afterAll(async () => {
  kubectl.remove();
  await server.close();
});

/** The columns of a table, in words. */
const lines = (text: string) => text.split("\n").map((line) => line.trim().split(/\s{2,}/));

const web = (image: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: "${image}", ports: [{containerPort: 80}], env: [{name: COLOR, value: blue}]}
        - {name: side, image: "side:1"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
`;

describe("discovery", () => {
  test("version, api-resources and api-versions", async () => {
    expect(await kubectl.run("version")).toMatch(/Server Version: v1\.32/);
    const resources = await kubectl.run("api-resources", "--no-headers");
    expect(resources).toMatch(/^services +svc +v1 +true +Service$/m);
    expect(resources).toMatch(/^ipaddresspools +metallb.io\/v1beta1 +true +IPAddressPool$/m);
    expect(await kubectl.run("api-versions")).toContain("discovery.k8s.io/v1");
  });

  test("explain shows built-in kinds and custom resources", async () => {
    expect(await kubectl.run("explain", "ipaddresspool.spec.addresses")).toContain("Address ranges of this pool");
    expect(await kubectl.run("explain", "svc.spec.ports")).toMatch(/targetPort\t<string>/);
  });
});

describe("apply", () => {
  test("creates, leaves alone, and changes only what changed", async () => {
    expect(await kubectl.feed(web("web:1"), "apply", "-f", "-")).toBe(
      "deployment.apps/web created\nservice/web created",
    );
    expect(await kubectl.feed(web("web:1"), "apply", "-f", "-")).toBe(
      "deployment.apps/web unchanged\nservice/web unchanged",
    );
    expect(await kubectl.feed(web("web:2"), "apply", "-f", "-")).toBe(
      "deployment.apps/web configured\nservice/web unchanged",
    );
    const images = await kubectl.run("get", "deploy", "web", "-o", "jsonpath={..image}");
    expect(images).toBe("web:2 side:1");
    expect(await kubectl.feed(web("web:3"), "diff", "-f", "-").catch(({ stdout }) => stdout)).toMatch(/\+.*web:3/);
  });

  test("on the server side: a field left out goes, others' fields stay", async () => {
    const map = (data: object) =>
      JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "ssa" }, data });
    await kubectl.feed(map({ a: "1", b: "1" }), "apply", "--server-side", "-f", "-");
    await kubectl.run("patch", "cm", "ssa", "--type=merge", "-p", '{"data":{"c":"2"}}');
    await kubectl.feed(map({ a: "3" }), "apply", "--server-side", "-f", "-");
    expect(await kubectl.run("get", "cm", "ssa", "-o", "jsonpath={.data}")).toBe('{"a":"3","c":"2"}');
  });

  test("names a field that the kind does not have", async () => {
    const wrong = web("web:1").replace("targetPort", "targetPrt");
    expect(await kubectl.fail(wrong, "apply", "-f", "-")).toContain('unknown field "spec.ports[0].targetPrt"');
  });

  test("dry run on the server stores nothing", async () => {
    await kubectl.run("create", "cm", "dry", "--dry-run=server");
    expect(await kubectl.fail("", "get", "cm", "dry")).toContain('configmaps "dry" not found');
  });
});

describe("create", () => {
  test("typed objects, which kubectl sends as protobuf", async () => {
    await kubectl.run("create", "ns", "team");
    await kubectl.run("create", "deployment", "zero", "--image=nginx:1", "--replicas=0", "-n", "team");
    await kubectl.run("create", "secret", "generic", "s", "--from-literal=key=value", "-n", "team");
    await kubectl.run("create", "service", "nodeport", "np", "--tcp=80:web", "--node-port=30500", "-n", "team");
    const get = (...args: string[]) => kubectl.run("get", "-n", "team", ...args);
    expect(await get("deploy", "zero", "-o", "jsonpath={.spec.replicas}")).toBe("0");
    expect(await get("secret", "s", "-o", "jsonpath={.data.key}")).toBe("dmFsdWU=");
    expect(lines(await get("svc", "--no-headers"))[0]?.slice(0, 2)).toEqual(["np", "NodePort"]);
    expect(await get("svc", "np", "-o", "jsonpath={.spec.ports[0].nodePort}/{.spec.ports[0].targetPort}")).toBe(
      "30500/web",
    );
  });

  test("refuses a second object of the name and a taken node port", async () => {
    expect(await kubectl.fail("", "create", "ns", "default")).toContain('namespaces "default" already exists');
    const second = ["create", "service", "nodeport", "np2", "--tcp=80", "--node-port=30500"];
    expect(await kubectl.fail("", ...second)).toContain("provided port is already allocated");
  });

  test("run makes a pod, expose a Service for it", async () => {
    await kubectl.run("run", "single", "--image=nginx:1", "--port=80");
    expect(await kubectl.run("expose", "pod", "single", "--port=8000", "--target-port=80")).toBe(
      "service/single exposed",
    );
    expect(await kubectl.run("get", "svc", "single", "-o", "jsonpath={.spec.selector}")).toBe('{"run":"single"}');
  });
});

describe("get", () => {
  test("Services with the columns of Kubernetes", async () => {
    const [head, row] = lines(await kubectl.run("get", "svc", "web", "-o", "wide"));
    expect(head).toEqual(["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"]);
    expect(row).toEqual([
      "web",
      "LoadBalancer",
      expect.stringMatching(/^10\.96\./),
      "<pending>",
      expect.stringMatching(/^80:3\d{4}\/TCP$/),
      expect.stringMatching(/^\d+s$/),
      "app=web",
    ]);
  });

  test("by label, by field, sorted, all namespaces, several kinds", async () => {
    expect(await kubectl.run("get", "deploy", "-l", "app in (web)", "-o", "name")).toBe("deployment.apps/web");
    expect(await kubectl.run("get", "svc", "--field-selector", "spec.type=LoadBalancer", "-o", "name")).toBe(
      "service/web",
    );
    expect(await kubectl.run("get", "ns", "--sort-by=.metadata.name", "-o", "name")).toMatch(/^namespace\/default\n/);
    expect(await kubectl.run("get", "svc,deploy", "-A")).toMatch(/team +deployment.apps\/zero +0\/0/);
    expect(await kubectl.run("get", "all")).toContain("service/kubernetes");
    expect(await kubectl.run("get", "svc", "--chunk-size=1", "-A", "-o", "name")).toContain("service/web");
  });

  test("an object as YAML that can be applied again", async () => {
    const yaml = await kubectl.run("get", "svc", "web", "-o", "yaml");
    expect(await kubectl.feed(yaml, "replace", "-f", "-")).toBe("service/web replaced");
  });

  test("-w prints changes as they come", async () => {
    const watch = kubectl.start("get", "cm", "-w", "--no-headers");
    await waitFor("the first list", () => watch.printed().includes("ssa"), { deadline: 5000 });
    await kubectl.run("create", "cm", "fresh", "--from-literal=a=b");
    await waitFor("the new object", () => /fresh +1 /.test(watch.printed()), { deadline: 5000 });
    await watch.stop();
  });
});

describe("custom resources", () => {
  const pool = (spec: object) =>
    JSON.stringify({
      apiVersion: "metallb.io/v1beta1",
      kind: "IPAddressPool",
      metadata: { name: "p", namespace: "ironbridge-system" },
      spec,
    });

  test("get their defaults and columns", async () => {
    await kubectl.feed(pool({ addresses: ["192.168.1.100-192.168.1.150"] }), "apply", "-f", "-");
    const [head, row] = lines(await kubectl.run("get", "ipaddresspools", "-n", "ironbridge-system"));
    expect(head).toEqual(["NAME", "AUTO ASSIGN", "AVOID BUGGY IPS", "ADDRESSES"]);
    expect(row).toEqual(["p", "true", "false", '["192.168.1.100-192.168.1.150"]']);
  });

  test("are checked against their schema", async () => {
    const said = await kubectl.fail(pool({ addresses: 5 }), "apply", "-f", "-");
    expect(said).toContain(
      'The IPAddressPool "p" is invalid: spec.addresses: Invalid value: 5: must be of type array: "integer"',
    );
    expect(await kubectl.fail(pool({ adresses: [] }), "apply", "-f", "-")).toContain('unknown field "spec.adresses"');
  });

  test("come with a new definition and go with it", async () => {
    const crd = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {kind: Boat, plural: boats, shortNames: [bo]}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`;
    await kubectl.feed(crd, "apply", "-f", "-");
    await kubectl.run("wait", "--for=condition=Established", "crd/boats.example.com", "--timeout=5s");
    await kubectl.feed('{"apiVersion":"example.com/v1","kind":"Boat","metadata":{"name":"tug"}}', "create", "-f", "-");
    expect(await kubectl.run("get", "bo", "-o", "name")).toBe("boat.example.com/tug");
    await kubectl.run("delete", "crd", "boats.example.com");
    expect(server.store.list("boats.example.com")).toEqual([]);
  });
});

describe("change", () => {
  test("label, annotate, patch in three forms, set image, scale", async () => {
    await kubectl.run("label", "svc", "web", "tier=front");
    await kubectl.run("annotate", "svc", "web", "note=x");
    await kubectl.run("annotate", "svc", "web", "note-");
    await kubectl.run("patch", "svc", "web", "-p", '{"spec":{"ports":[{"port":443,"name":"https"}]}}');
    await kubectl.run("patch", "svc", "web", "--type=json", "-p", '[{"op":"remove","path":"/spec/ports/1"}]');
    await kubectl.run("patch", "svc", "web", "--type=merge", "-p", '{"spec":{"externalTrafficPolicy":"Local"}}');
    const service = server.store.get("services", "default", "web")!.object;
    expect(service.metadata.labels).toEqual({ tier: "front" });
    expect(service).toMatchObject({
      spec: { externalTrafficPolicy: "Local", healthCheckNodePort: expect.any(Number), ports: [{}] },
    });
    await kubectl.run("set", "image", "deploy/web", "side=side:9");
    expect(await kubectl.run("scale", "deploy", "web", "--replicas=3")).toBe("deployment.apps/web scaled");
    expect(await kubectl.run("get", "deploy", "web", "-o", "jsonpath={.spec.replicas} {..image}")).toBe(
      "3 web:1 side:9",
    );
  });

  test("edit sends what the editor wrote", async () => {
    expect(await kubectl.run("edit", "deploy", "web")).toBe("deployment.apps/web edited");
    expect(await kubectl.run("get", "deploy", "web", "-o", "jsonpath={..env[0].value}")).toBe("green");
  });

  test("an invalid Service says which field and why", async () => {
    const said = await kubectl.fail("", "patch", "svc", "web", "-p", '{"spec":{"ports":[{"port":80,"protocol":"X"}]}}');
    expect(said).toMatch(/Service "web" is invalid: .*supported values: "SCTP", "TCP", "UDP"/);
  });

  test("rollout status and wait follow the status", async () => {
    const status = kubectl.start("rollout", "status", "deploy/web");
    const waiting = kubectl.run("wait", "--for=condition=Available", "deploy/web", "--timeout=10s");
    await waitFor("the first word of rollout status", () => status.printed() !== "", { deadline: 5000 });
    const { generation } = server.store.get("deployments.apps", "default", "web")!.object.metadata;
    const counts = { replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 };
    const conditions = [{ type: "Available", status: "True" }];
    const body = { status: { ...counts, conditions, observedGeneration: generation } };
    await client.patch(DEPLOYMENTS, { name: "web" }, { kind: "merge", body }, "status");
    await waitFor("the end", () => status.printed().includes("successfully rolled out"), { deadline: 5000 });
    expect(await waiting).toBe("deployment.apps/web condition met");
    await status.stop();
  });
});

describe("describe and logs", () => {
  test("a Service with its endpoints and events", async () => {
    const { uid } = server.store.get("services", "default", "web")!.object.metadata;
    await kubectl.feed(
      `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.244.1.5], conditions: {ready: true}}]
ports: [{name: http, port: 8080, protocol: TCP}]
---
apiVersion: v1
kind: Event
metadata: {name: web.1}
type: Normal
reason: IPAllocated
message: Assigned IP 192.168.1.100
count: 1
source: {component: ironbridge-controller}
involvedObject: {kind: Service, namespace: default, name: web, apiVersion: v1, uid: ${uid}}
`,
      "create",
      "-f",
      "-",
    );
    const text = await kubectl.run("describe", "svc", "web");
    expect(text).toMatch(/Endpoints: +10\.244\.1\.5:8080/);
    expect(text).toMatch(/Normal +IPAllocated .*ironbridge-controller +Assigned IP 192\.168\.1\.100/);
    expect(await kubectl.run("events", "--for", "service/web")).toContain("IPAllocated");
    expect(await kubectl.run("get", "events")).toMatch(/Normal +IPAllocated +service\/web/);
  });

  test("a node and the pods on it", async () => {
    await client.create(NODES, {
      metadata: { name: "node1" },
      spec: { podCIDR: "10.244.1.0/24" },
      status: {
        addresses: [{ type: "InternalIP", address: "192.168.1.11" }],
        conditions: [{ type: "Ready", status: "True" }],
      },
    });
    await client.patch(PODS, { name: "single" }, { kind: "merge", body: { spec: { nodeName: "node1" } } });
    expect(await kubectl.run("describe", "node", "node1")).toMatch(/PodCIDR: +10\.244\.1\.0\/24[\s\S]*default +single/);
    expect(lines(await kubectl.run("get", "nodes", "-o", "wide", "--no-headers"))[0]?.slice(0, 3)).toEqual([
      "node1",
      "Ready",
      "<none>",
    ]);
    expect(await kubectl.run("describe", "pod", "single")).toMatch(/Node: +node1/);
    expect(await kubectl.run("logs", "single")).toBe("hello from single/single");
  });
});

describe("delete", () => {
  test("a running pod goes when its kubelet says so", async () => {
    const deletion = kubectl.run("delete", "pod", "single");
    const marked = () => server.store.get("pods", "default", "single")?.object.metadata.deletionTimestamp;
    await waitFor("the mark", marked, { deadline: 5000 });
    expect(await kubectl.run("get", "pod", "single", "--no-headers")).toMatch(/Terminating/);
    await client.delete(PODS, { name: "single" }, { gracePeriodSeconds: 0 });
    expect(await deletion).toBe('pod "single" deleted');
  });

  test("a namespace takes its contents along", async () => {
    await kubectl.run("delete", "ns", "team");
    expect(server.store.list("services", "team")).toEqual([]);
    expect(await kubectl.fail("", "get", "ns", "team")).toContain('namespaces "team" not found');
  });

  test("what an object owns goes with it", async () => {
    const uid = server.store.get("deployments.apps", "default", "web")!.object.metadata.uid;
    const ownerReferences = [{ apiVersion: "apps/v1", kind: "Deployment", name: "web", uid }];
    const owned = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "owned", ownerReferences } };
    await kubectl.feed(JSON.stringify(owned), "create", "-f", "-");
    await kubectl.run("delete", "deploy", "web", "--cascade=foreground");
    expect(await kubectl.fail("", "get", "cm", "owned")).toContain("not found");
  });

  test("all of a kind, and what is not there", async () => {
    await kubectl.run("delete", "cm", "--all");
    expect(server.store.list("configmaps", "default")).toEqual([]);
    expect(await kubectl.run("delete", "svc", "web", "none", "--ignore-not-found")).toBe('service "web" deleted');
  });
});
