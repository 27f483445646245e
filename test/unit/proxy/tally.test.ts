import { describe, expect, test } from "vitest";
import type { V1Service } from "../../../kube/mod.ts";
import type { Count } from "../../../proxy/backend.ts";
import { Tally } from "../../../proxy/tally.ts";

const SERVICES = new Map<string, V1Service>([
  ["shop/web", { spec: { ports: [{ name: "http", port: 80, nodePort: 30080 }] } }],
  ["shop/plain", { spec: { ports: [{ port: 53, protocol: "UDP" }] } }],
]);
const serviceOf = (key: string) => SERVICES.get(key);

function count(connections: number, more: Partial<Count> = {}): Count {
  return { key: "a", service: "shop/web", protocol: "tcp", front: "service", port: 80, connections, ...more };
}

function after(...readings: readonly (readonly Count[])[]): object[] {
  const tally = new Tally();
  for (const reading of readings) tally.add(reading, serviceOf);
  return tally.sums().map(({ service, port, connections }) => ({ service, port, connections }));
}

describe("Tally", () => {
  const cases: { name: string; readings: Count[][]; want: object[] }[] = [
    {
      name: "adds up all frontends of a port",
      readings: [[count(3), count(4, { key: "b" }), count(5, { key: "c", front: "nodeport", port: 30080 })]],
      want: [{ service: "web", port: "http", connections: 12 }],
    },
    {
      name: "counts what came since the last reading",
      readings: [[count(3)], [count(5)], [count(5)]],
      want: [{ service: "web", port: "http", connections: 5 }],
    },
    {
      name: "goes on when a counter begins anew",
      readings: [[count(3)], [count(2)]],
      want: [{ service: "web", port: "http", connections: 5 }],
    },
    {
      name: "names a port without a name by its number",
      readings: [[count(1, { service: "shop/plain", protocol: "udp", port: 53 })]],
      want: [{ service: "plain", port: "53", connections: 1 }],
    },
    { name: "leaves out ports nobody connected to", readings: [[count(0)]], want: [] },
    { name: "leaves out ports the Service has no more", readings: [[count(3, { port: 81 })]], want: [] },
    { name: "leaves out another protocol's port", readings: [[count(3, { protocol: "udp" })]], want: [] },
    { name: "leaves out Services nobody knows", readings: [[count(3, { service: "shop/gone" })]], want: [] },
    { name: "forgets what no counter speaks of", readings: [[count(3)], []], want: [] },
  ];
  test.each(cases)("$name", ({ readings, want }) => expect(after(...readings)).toEqual(want));
});
