import { describe, expect, test } from "vitest";
import { NoLocalEndpoints } from "../../../proxy/no-local-endpoints.ts";
import type { ServicePort } from "../../../proxy/service-port.ts";
import { PORTS } from "./cluster.ts";

const AWAY = { address: "10.244.2.2", port: 8080, near: false };

function port(more: Partial<ServicePort>): ServicePort {
  return { ...PORTS["cluster IP"]!, cluster: [AWAY], local: [], ...more };
}

describe("NoLocalEndpoints", () => {
  const cases: { name: string; port: ServicePort; want: [internal: number, external: number] }[] = [
    { name: "counts neither with the policy Cluster", port: port({}), want: [0, 0] },
    { name: "counts internal traffic", port: port({ internalPolicy: "local" }), want: [1, 0] },
    { name: "counts external traffic", port: port({ externalPolicy: "local" }), want: [0, 1] },
    {
      name: "passes ports with a local endpoint",
      port: port({ internalPolicy: "local", local: [AWAY] }),
      want: [0, 0],
    },
    { name: "passes ports without any endpoint", port: port({ internalPolicy: "local", cluster: [] }), want: [0, 0] },
  ];
  test.each(cases)("$name", ({ port, want }) => {
    const found = new NoLocalEndpoints();
    found.replace("a", [port]);
    expect([found.count("ipv4", "internal"), found.count("ipv4", "external")]).toEqual(want);
    expect(found.count("ipv6", "internal")).toBe(0);
    found.replace("a", []);
    expect(found.count("ipv4", "internal") + found.count("ipv4", "external")).toBe(0);
  });
});
