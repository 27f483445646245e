import { describe, expect, test } from "vitest";
import { capabilityArgs } from "../../../lab/sandbox.ts";

describe("capabilityArgs()", () => {
  test("gives host ports to the plugin, and no ports without one", () => {
    const ports = [{ containerPort: 80, hostPort: 8080 }, { containerPort: 81 }];
    expect(capabilityArgs({ spec: { containers: [{ name: "c", ports }] } })).toEqual({
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp", hostIP: "" }],
    });
  });

  test("reads the bandwidth annotations in bits per second", () => {
    const annotations = { "kubernetes.io/ingress-bandwidth": "10M", "kubernetes.io/egress-bandwidth": "1Gi" };
    expect(capabilityArgs({ metadata: { annotations } })).toMatchObject({
      bandwidth: { ingressRate: 10_000_000, egressRate: 2 ** 30 },
    });
  });

  test("gives nothing for a pod that asks for nothing", () => expect(capabilityArgs({})).toEqual({}));
});
