import { expect, test } from "vitest";
import { aggregated, groupOf } from "../../../../lab/api/discovery.ts";
import type { ApiResource } from "../../../../lab/api/resource.ts";

function resource(version: string): ApiResource {
  return {
    group: "example.org",
    plural: "things",
    kind: "Thing",
    version,
    singular: "thing",
    shortNames: [],
    categories: [],
    namespaced: true,
    subresources: [],
    storage: "things.example.org",
    strategy: {},
    columns: [],
    selectableFields: [],
  };
}

test("groupOf() and aggregated() have clients use the version that Kubernetes would", () => {
  const served = ["v1alpha1", "v1beta1", "v1beta10", "v1beta2", "v1", "v2alpha1", "v2"].map(resource);
  const order = ["v2", "v1", "v1beta10", "v1beta2", "v1beta1", "v2alpha1", "v1alpha1"];
  expect(groupOf(served, "example.org")).toMatchObject({
    versions: order.map((version) => ({ version })),
    preferredVersion: { groupVersion: "example.org/v2" },
  });
  const versions = order.map((version) => ({ version }));
  expect(aggregated(served, "named", "v2")).toMatchObject({ items: [{ versions }] });
});
