import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { silentLog } from "../../core/mod.ts";
import { type ApiServer, startApiServer } from "../../lab/api/mod.ts";
import { runCommand } from "../../lab/mod.ts";
import { installedObjects, type Manifest } from "../../tools/manifests/mod.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const INSTALL = join(ROOT, "deploy/install.yaml");
const CHART = join(ROOT, "deploy/helm/ironbridge");
const KUBECTL = join(ROOT, "dist/bin/kubectl");
const HELM = join(ROOT, "dist/cluster/bin/helm");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "manifests-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("deploy/install.yaml and kubectl", () => {
  let api: ApiServer;
  const kubectl = (...args: string[]) => runCommand(KUBECTL, [`--server=${api.url}`, ...args], { timeout: 60_000 });

  beforeAll(async () => {
    api = await startApiServer({ listen: [{ host: "127.0.0.1", port: 0 }], crds: [], log: silentLog() });
  });
  afterAll(() => api.close());

  test("a client-side dry run accepts every object", async () => {
    const { exitCode, stdout, stderr } = await kubectl("apply", "--dry-run=client", "-f", INSTALL);
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(stdout.trim().split("\n")).toHaveLength(installedObjects().length);
  });

  test("is applied as it is; a second apply changes nothing; delete takes all of it away", async () => {
    const first = await kubectl("apply", "-f", INSTALL);
    expect(first).toMatchObject({ exitCode: 0 });
    const second = await kubectl("apply", "-f", INSTALL);
    expect(
      second.stdout
        .trim()
        .split("\n")
        .filter((line) => !line.endsWith("unchanged")),
    ).toEqual([]);
    const removed = await kubectl("delete", "--wait=false", "--ignore-not-found", "-f", INSTALL);
    expect(removed).toMatchObject({ exitCode: 0 });
  });
});

describe.skipIf(!existsSync(HELM))("deploy/helm/ironbridge and helm (built by `make cluster`)", () => {
  const helm = (...args: string[]) => runCommand(HELM, args, { timeout: 60_000 });
  const template = (...args: string[]) =>
    helm("template", "any", CHART, "--namespace", "ironbridge-system", "--kube-version", "1.34.0", ...args);
  /** Objects by kind and name, but for the order and for what only a chart has. */
  const comparable = (objects: readonly Manifest[]): Record<string, unknown> => {
    const entries = objects.map((object) => [`${object.kind} ${object.metadata.name}`, object] as const);
    const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return JSON.parse(JSON.stringify(Object.fromEntries(sorted), withoutHelm));
  };
  /** For JSON.stringify: without the annotations that only a chart has. */
  const withoutHelm = (key: string, value: unknown) => {
    if (key !== "annotations") return value;
    const { "helm.sh/resource-policy": _, "checksum/config": __, ...others } = value as Record<string, string>;
    return Object.keys(others).length > 0 ? others : undefined;
  };
  const objectsOf = (text: string) =>
    parseAllDocuments(text)
      .map((document) => document.toJS())
      .filter((object) => object !== null) as Manifest[];

  test("lint finds nothing", async () => {
    const { exitCode, stdout } = await helm("lint", "--strict", CHART);
    expect(stdout).toContain("0 chart(s) failed");
    expect(exitCode).toBe(0);
  });

  test("without values, makes install.yaml object by object, but for the namespace", async () => {
    const { stdout, stderr } = await template();
    expect(stderr).toBe("");
    const { "Namespace ironbridge-system": namespace, ...rest } = comparable(objectsOf(readFileSync(INSTALL, "utf8")));
    expect(namespace).toBeDefined();
    expect(comparable(objectsOf(stdout))).toEqual(rest);
  });

  test("puts every value where it belongs", async () => {
    const values = join(folder, "values.yaml");
    writeFileSync(
      values,
      JSON.stringify({
        image: { tag: "v9", pullSecrets: [{ name: "registry" }] },
        settings: { "proxy-mode": "iptables", "member-port": 7000 },
        api: { host: "2001:db8::1", port: 443 },
        agent: { adminHost: "0.0.0.0", tolerations: [], resources: {} },
        crds: { enabled: false },
        networkPolicy: { enabled: false },
        podMonitor: { enabled: true, labels: { release: "prometheus" } },
      }),
    );
    const { stdout, stderr } = await template("--values", values);
    expect(stderr).toBe("");
    const objects = comparable(objectsOf(stdout));
    expect(Object.keys(objects).filter((name) => /CustomResource|NetworkPolicy/.test(name))).toEqual([]);
    expect(objects["ConfigMap ironbridge"]).toMatchObject({
      data: { "proxy-mode": "iptables", "member-port": "7000" },
    });
    expect(objects["ConfigMap ironbridge-api"]).toMatchObject({ data: { host: "2001:db8::1", port: "443" } });
    expect(objects["PodMonitor ironbridge"]).toMatchObject({ metadata: { labels: { release: "prometheus" } } });
    const agent = JSON.stringify(objects["DaemonSet ironbridge-agent"]);
    for (const part of [
      '"docker.io/ironbridge/ironbridge:v9"',
      '"0.0.0.0:7476"',
      '"tolerations":[]',
      '{"name":"registry"}',
    ]) {
      expect(agent).toContain(part);
    }
  });

  test("rolls both programs out anew when a setting changes, and only then", async () => {
    const sums = async (...args: string[]) => {
      const { stdout } = await template(...args);
      return [...stdout.matchAll(/^ +checksum\/config: (.*)$/gm)].map(([, sum]) => sum);
    };
    const usual = await sums();
    expect(usual).toHaveLength(2);
    expect(await sums("--set", "image.tag=v9")).toEqual(usual);
    for (const change of ["settings.proxy-mode=iptables", "api.host=192.0.2.1"]) {
      for (const sum of await sums("--set", change)) expect(usual).not.toContain(sum);
    }
  });

  test.each([
    ["a name that there is not", "agnet.adminPort=1", "agnet"],
    ["a mode that there is not", "settings.proxy-mode=ipvs", "proxy-mode"],
    ["a setting that there is not", "settings.proxymode=nftables", "proxymode"],
    ["a port that is none", "api.port=70000", "port"],
    ["a pull policy that there is not", "image.pullPolicy=Sometimes", "pullPolicy"],
  ])("refuses %s", async (_name, value, word) => {
    const { exitCode, stderr } = await template("--set", value);
    expect(exitCode).not.toBe(0);
    expect(stderr).toContain(word);
  });
});
