import { describe, expect, test } from "vitest";
import { desiredPorts } from "../../../proxy/desired.ts";
import { spreadOf } from "../../../proxy/spread.ts";
import { SURROUNDINGS, service, slice } from "./cluster.ts";

function annotated(annotations: Record<string, string>) {
  const web = service("web");
  return { ...web, metadata: { ...web.metadata, annotations } };
}

describe("spreadOf()", () => {
  test("is random and even without annotations", () => {
    expect(spreadOf(service("web"))).toEqual({ balancing: "random", weights: new Map(), problems: [] });
  });

  test("tells what it can't understand, and passes it over", () => {
    const { balancing, weights, problems } = spreadOf(
      annotated({ "ironbridge.io/load-balancing": "least-conn", "ironbridge.io/endpoint-weights": "a=2, b, c=101" }),
    );
    expect(balancing).toBe("random");
    expect([...weights]).toEqual([["a", 2]]);
    expect(problems).toEqual([
      'ironbridge.io/load-balancing is "least-conn", want one of random, source-hash, maglev',
      'ironbridge.io/endpoint-weights has "b", want address=shares or node=shares, 0 to 100',
      'ironbridge.io/endpoint-weights has "c=101", want address=shares or node=shares, 0 to 100',
    ]);
  });
});

describe("desiredPorts() with weights", () => {
  const web = slice("web", [{ address: "10.244.1.7", node: "node1" }, { address: "10.244.2.7" }]);
  const clusterOf = (weights: string) =>
    desiredPorts(annotated({ "ironbridge.io/endpoint-weights": weights }), [web], SURROUNDINGS)[0]!.cluster;

  test("gives shares by address and by node", () => {
    expect(clusterOf("10.244.1.7=3,node2=2").map(({ weight }) => weight)).toEqual([3, 2]);
  });

  test("leaves out endpoints without a share, unless there is no other", () => {
    expect(clusterOf("node2=0").map(({ address }) => address)).toEqual(["10.244.1.7"]);
    expect(clusterOf("node1=0,node2=0").map(({ weight }) => weight)).toEqual([undefined, undefined]);
  });
});
