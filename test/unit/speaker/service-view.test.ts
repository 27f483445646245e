import { describe, expect, test } from "vitest";
import type { IPAddressPool, L2Advertisement } from "../../../config/mod.ts";
import { fakeStore, type V1EndpointSlice, type V1Service } from "../../../kube/mod.ts";
import { ServiceView } from "../../../speaker/service-view.ts";

const service: V1Service = {
  metadata: { name: "web", namespace: "shop" },
  spec: { type: "LoadBalancer" },
  status: { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } },
};
const slice: V1EndpointSlice = {
  metadata: { name: "web-1", namespace: "shop", labels: { "kubernetes.io/service-name": "web" } },
  addressType: "IPv4",
  endpoints: [{ addresses: ["10.244.1.7"], nodeName: "node1" }],
};
const pool: IPAddressPool = { metadata: { name: "pool" }, spec: { addresses: ["192.0.2.0/24"] } };
const advertisement: L2Advertisement = { metadata: { name: "all" }, spec: {} };

function started() {
  const stores = {
    services: fakeStore<V1Service>([service]),
    slices: fakeStore<V1EndpointSlice>([], {
      service: ({ metadata }) => [`${metadata?.namespace}/${metadata?.labels?.["kubernetes.io/service-name"]}`],
    }),
    pools: fakeStore<IPAddressPool>([pool]),
    l2Advertisements: fakeStore<L2Advertisement>([]),
  };
  let pokes = 0;
  const stop = new AbortController();
  const view = new ServiceView(stores, () => pokes++, stop.signal);
  const refused = () => {
    view.refresh();
    return view.facts.get("shop/web")?.refused;
  };
  return { ...stores, stop, view, refused, pokes: () => pokes };
}

describe("ServiceView", () => {
  test("follows advertisements, endpoints, pools and the Service itself", () => {
    const { services, slices, pools, l2Advertisements, view, refused } = started();
    expect(refused()).toBe("noAdvertisement");
    l2Advertisements.set(advertisement);
    expect(refused()).toBe("noEndpoint");
    slices.set(slice);
    expect(refused()).toBeUndefined();
    expect(view.facts.get("shop/web")?.addresses).toEqual(["192.0.2.1"]);
    pools.remove("pool");
    expect(refused()).toBe("noPool");
    pools.set(pool);
    slices.remove("shop/web-1");
    expect(refused()).toBe("noEndpoint");
    services.remove("shop/web");
    view.refresh();
    expect(view.facts.size).toBe(0);
  });

  test("says when there is something to do, until it is stopped", () => {
    const { slices, stop, pokes } = started();
    slices.set(slice);
    expect(pokes()).toBe(1);
    slices.set({ metadata: { name: "loose", namespace: "shop" }, addressType: "IPv4", endpoints: [] });
    expect(pokes()).toBe(1);
    stop.abort();
    slices.remove("shop/web-1");
    expect(pokes()).toBe(1);
  });

  test("works out only what changed", () => {
    const { services, view } = started();
    services.set({ ...service, metadata: { name: "api", namespace: "shop" } });
    view.refresh();
    const before = view.facts.get("shop/web");
    services.remove("shop/api");
    view.refresh();
    expect(view.facts.get("shop/web")).toBe(before);
    expect(view.facts.has("shop/api")).toBe(false);
  });
});
