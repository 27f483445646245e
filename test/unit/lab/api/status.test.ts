import { expect, test } from "vitest";
import { bareApi, create, targetOf } from "./support.ts";

test("update() of a Service's status writes the annotations with it, and takes them away", () => {
  const api = bareApi();
  const target = targetOf(api, "services", "web");
  const metadata = { name: "web", annotations: { mine: "1" } };
  const first = create(api, "services", { metadata, spec: { type: "LoadBalancer", ports: [{ port: 80 }] } });
  const status = { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } };
  const annotations = { mine: "1", pool: "a" };
  const written = api.update(
    target,
    { ...first, metadata: { ...first.metadata, annotations }, status },
    "status",
  ).object;
  expect(written).toMatchObject({ metadata: { annotations }, status });
  const bare = { ...written, metadata: { name: "web" }, spec: { type: "ClusterIP" } };
  const cleared = api.update(target, bare, "status").object;
  expect(cleared.metadata.annotations).toBeUndefined();
  expect(cleared.spec).toMatchObject({ type: "LoadBalancer" });
});
