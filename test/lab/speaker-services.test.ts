import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Lab, LabNode } from "../../lab/mod.ts";
import { announcerOf, apply, curl, hostOf, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";
import { applyDualStackWeb, WEB_ADDRESSES } from "./support/dual-stack-web.ts";

/** Rows are those of MetalLB's own tests of layer 2 (e2etest/l2tests), here in the whole cluster; see docs/l2-coverage.md. */
let lab: Lab;

beforeAll(async () => {
  lab = await startTestLab({ families: "dual" });
  await applyDualStackWeb(lab);
});
afterAll(() => lab.stop());

/** A pod on a node of our choice that answers HTTP, and UDP at port 53 with what it was sent. */
function pod(name: string, nodeName: string) {
  const echo =
    "socket(S, PF_INET, SOCK_DGRAM, 0); bind(S, sockaddr_in(53, INADDR_ANY)) or die;" +
    "while (defined($from = recv(S, $text, 1500, 0))) { send(S, $text, 0, $from) }";
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels: { app: name } },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 0,
      containers: [
        { name: "web", image: "nginx:1.27", volumeMounts: [{ name: "site", mountPath: "/etc/nginx/conf.d" }] },
        { name: "echo", image: "debian:12", command: ["perl", "-MSocket", "-e", echo] },
      ],
      volumes: [{ name: "site", configMap: { name: "web" } }],
    },
  };
}

interface Port {
  readonly port: number;
  readonly targetPort?: number;
  readonly protocol?: "TCP" | "UDP";
}

function service(name: string, ports: readonly Port[], annotations: Readonly<Record<string, string>> = {}) {
  const named = ports.map(({ protocol = "TCP", ...port }) => ({ name: `p${port.port}`, protocol, ...port }));
  const selector = { app: name };
  const spec = { type: "LoadBalancer", ipFamilyPolicy: "RequireDualStack", selector, ports: named };
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace: "default", annotations }, spec };
}

const addressesOf = (name: string) =>
  waitFor(
    `the addresses of ${name}`,
    async () => {
      const path = "jsonpath={.status.loadBalancer.ingress[*].ip}";
      const addresses = (await lab.kubectl(["get", "service", name, "-o", path])).split(" ");
      return addresses.length === 2 && addresses;
    },
    { deadline: 10_000 },
  );

/** The node that each ServiceL2Status of the Service names. */
async function announcersOf(name: string): Promise<readonly string[]> {
  const path = "jsonpath={.items[*].status.node}";
  const selector = `metallb.io/service-name=${name}`;
  return (await lab.kubectl(["get", "servicel2statuses", "-A", "-l", selector, "-o", path])).split(" ");
}

/** The lines of a node's metrics that are about one of `addresses`. */
async function metricsOf(node: LabNode, addresses: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await node.exec("curl", ["-s", "http://127.0.0.1:10249/metrics"]);
  return stdout.split("\n").filter((line) => addresses.some((address) => line.includes(`ip="${address}"`)));
}

describe("a Service of type LoadBalancer", () => {
  test.each(WEB_ADDRESSES)(
    "row 3: with policy Local only pods of the node that answers for %s get requests",
    async (address) => {
      const policy = (externalTrafficPolicy: string) =>
        lab.kubectl(["patch", "service", "web", "-p", JSON.stringify({ spec: { externalTrafficPolicy } })]);
      await lab.kubectl(["scale", "deployment", "web", "--replicas=5"]);
      await lab.kubectl(["rollout", "status", "deployment", "web", "--timeout=20s"]);
      await policy("Local");
      const node = (await waitFor("an announcer", () => announcerOf(lab, address), { deadline: 10_000 }))!;
      const answeredBy = async () => {
        const [, name = ""] = /pod (\S+)/.exec(await curl(lab, `http://${hostOf(address)}/`)) ?? [];
        return lab.kubectl(["get", "pod", name, "-o", "jsonpath={.spec.nodeName}"]);
      };
      const fiveOfFive = async () => {
        const nodes = await Promise.all(Array.from({ length: 5 }, answeredBy));
        return nodes.every((each) => each === node);
      };
      await waitFor("five answers of that node in a row", fiveOfFive, { deadline: 10_000 });
      await policy("Cluster");
    },
  );

  test("row 4: answers on TCP and UDP ports alike", async () => {
    await apply(lab, pod("mixed", "node1"), service("mixed", [{ port: 80 }, { port: 53, protocol: "UDP" }]));
    const [address = ""] = await addressesOf("mixed");
    await waitFor("an answer over TCP", () => curl(lab, `http://${address}/`), { deadline: 20_000 });
    const ask = "exec 3<>/dev/udp/$0/53; echo hello >&3; timeout 1 head -n 1 <&3";
    const answered = async () => (await lab.outside.exec("bash", ["-c", ask, address])).stdout.trim() === "hello";
    await waitFor("an answer over UDP", answered, { deadline: 5000 });
    await lab.kubectl(["delete", "service/mixed", "pod/mixed"]);
  });

  test("row 9 to 12: two that share their addresses are announced by one node, in metrics too, and leave none behind", async () => {
    const shared = { "metallb.io/allow-shared-ip": "both" };
    await apply(lab, pod("left", "node1"), pod("right", "node2"));
    await apply(lab, service("left", [{ port: 8081, targetPort: 80 }], shared));
    const addresses = await addressesOf("left");
    const same = { ...shared, "metallb.io/loadBalancerIPs": addresses.join() };
    await apply(lab, service("right", [{ port: 8082, targetPort: 80 }], same));
    expect(await addressesOf("right")).toEqual(addresses);
    for (const [name, port] of [
      ["left", 8081],
      ["right", 8082],
    ] as const) {
      for (const address of addresses) {
        const url = `http://${hostOf(address)}:${port}/`;
        const answered = async () => (await curl(lab, url)).includes(`pod ${name}`);
        await waitFor(`${url} to answer`, answered, { deadline: 20_000 });
      }
    }
    const announcers = async () => [...(await announcersOf("left")), ...(await announcersOf("right"))];
    await waitFor("a status of each", async () => (await announcers()).filter(Boolean).length === 2, {
      deadline: 5000,
    });
    const [name] = await announcers();
    expect(await announcers()).toEqual([name, name]);

    for (const node of lab.nodes) {
      const announced = async () =>
        (await metricsOf(node, addresses)).filter((line) => /^metallb_speaker_announced\{.*\} 1$/.test(line)).length;
      expect(await announced()).toBe(node.name === name ? 4 : 0);
    }
    const holder = lab.nodes.find((node) => node.name === name)!;
    for (const what of ["requests_received", "responses_sent", "gratuitous_sent"]) {
      for (const address of addresses) {
        await lab.outside.exec("ip", ["neigh", "flush", "to", address]);
        await curl(lab, `http://${hostOf(address)}:8081/`);
        const series = new RegExp(`^metallb_layer2_${what}\\{ip="${address}"\\} [1-9]`);
        const counted = async () => (await metricsOf(holder, [address])).some((line) => series.test(line));
        await waitFor(`${what} of ${address}`, counted, { deadline: 5000 });
      }
    }

    await lab.kubectl(["delete", "service", "left", "right"]);
    await lab.kubectl(["delete", "pod", "left", "right"]);
    const rest = async () => (await Promise.all(lab.nodes.map((node) => metricsOf(node, addresses)))).flat();
    const gone = async () => !(await rest()).some((line) => line.startsWith("metallb_speaker_announced"));
    await waitFor("the metrics to forget them", gone, { deadline: 10_000 });
  }, 60_000);
});
