import { describe, expect, test } from "vitest";
import type { V1Pod } from "../../../kube/mod.ts";
import { containerEnv, expandVariables, type PodObjects, serviceLinks } from "../../../lab/pod-env.ts";
import type { V1Container } from "../../../lab/resource.ts";

const objects: PodObjects = {
  configMap: (name) => (name === "settings" ? { data: { COLOUR: "blue", SIZE: "9" } } : undefined),
  secret: (name) => (name === "keys" ? { data: { token: Buffer.from("s3").toString("base64") } } : undefined),
  services: [
    {
      metadata: { name: "my-db" },
      spec: { clusterIP: "10.96.0.9", ports: [{ name: "sql", port: 5432 }] },
    },
    { metadata: { name: "headless" }, spec: { clusterIP: "None", ports: [{ port: 1 }] } },
  ],
};
const pod: V1Pod = {
  metadata: { name: "web-1", namespace: "default", labels: { app: "web" } },
  spec: { nodeName: "node2", containers: [] },
};
const addresses = { podIP: "10.244.2.7", hostIP: "192.168.1.12" };
const env = (container: Partial<V1Container>, of: V1Pod = pod) =>
  containerEnv(of, { name: "c", ...container }, objects, addresses);

describe("containerEnv()", () => {
  test("has the links to Services unless the pod does not want them", () => {
    expect(env({})).toMatchObject({ MY_DB_SERVICE_HOST: "10.96.0.9", MY_DB_PORT: "tcp://10.96.0.9:5432" });
    const without = { ...pod, spec: { containers: [], enableServiceLinks: false } };
    expect(env({}, without)).not.toHaveProperty("MY_DB_SERVICE_HOST");
  });

  test("takes values from ConfigMaps, Secrets and the pod's fields; env hides envFrom", () => {
    const from = (name: string, valueFrom: NonNullable<V1Container["env"]>[number]["valueFrom"]) => ({
      name,
      ...(valueFrom !== undefined ? { valueFrom } : {}),
    });
    const got = env({
      envFrom: [{ prefix: "P_", configMapRef: { name: "settings" } }],
      env: [
        { name: "P_SIZE", value: "10" },
        from("TOKEN", { secretKeyRef: { name: "keys", key: "token" } }),
        from("IP", { fieldRef: { fieldPath: "status.podIP" } }),
        from("APP", { fieldRef: { fieldPath: "metadata.labels['app']" } }),
        from("NONE", { configMapKeyRef: { name: "missing", key: "x", optional: true } }),
        { name: "URL", value: "http://$(IP):$(P_SIZE)/$(UNKNOWN)" },
      ],
    });
    expect(got).toMatchObject({ P_COLOUR: "blue", P_SIZE: "10", TOKEN: "s3", IP: "10.244.2.7", APP: "web" });
    expect(got.URL).toBe("http://10.244.2.7:10/$(UNKNOWN)");
    expect(got).not.toHaveProperty("NONE");
  });

  test.each([
    {
      name: "a ConfigMap that is not there",
      ref: { configMapKeyRef: { name: "gone", key: "x" } },
      want: 'configmap "gone"',
    },
    { name: "a key that is not there", ref: { secretKeyRef: { name: "keys", key: "x" } }, want: 'no key "x"' },
    { name: "a field pods do not have", ref: { fieldRef: { fieldPath: "spec.colour" } }, want: "spec.colour" },
  ])("refuses $name", ({ ref, want }) => {
    expect(() => env({ env: [{ name: "A", valueFrom: ref }] })).toThrowError(want);
  });
});

describe("serviceLinks()", () => {
  test("names every port as Docker links did, and no headless Service", () => {
    expect(serviceLinks(objects.services)).toEqual({
      MY_DB_SERVICE_HOST: "10.96.0.9",
      MY_DB_SERVICE_PORT: "5432",
      MY_DB_SERVICE_PORT_SQL: "5432",
      MY_DB_PORT: "tcp://10.96.0.9:5432",
      MY_DB_PORT_5432_TCP: "tcp://10.96.0.9:5432",
      MY_DB_PORT_5432_TCP_PROTO: "tcp",
      MY_DB_PORT_5432_TCP_PORT: "5432",
      MY_DB_PORT_5432_TCP_ADDR: "10.96.0.9",
    });
  });
});

describe("expandVariables()", () => {
  test.each([
    { text: "$(A)", want: "1" },
    { text: "$$(A)", want: "$(A)" },
    { text: "$(B)", want: "$(B)" },
    { text: "$A", want: "$A" },
  ])("$text gives $want", ({ text, want }) => expect(expandVariables(text, { A: "1" })).toBe(want));
});
