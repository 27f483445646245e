import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CONFIG_KINDS, CONFIG_LISTS, type ConfigObjects } from "../../config/mod.ts";
import { explainError } from "../../core/mod.ts";
import { goldenWords } from "../support/golden-words.ts";
import { waitFor } from "../support/wait.ts";
import { REFUSED as REFUSED_BGP } from "../unit/config/bgp-mistakes.ts";
import { REFUSED as REFUSED_POOLS } from "../unit/config/pool-mistakes.ts";
import { waitForPods } from "./install.ts";
import { getObject, kubectl } from "./kubectl.ts";
import { externalAddress, startTestCluster, type TestCluster } from "./support/test-cluster.ts";
import { IRONBRIDGE } from "./variant.ts";

const ALL_MISTAKES = "every mistake of a pool that the API server does not see";
/** One mistake of each kind of object that the schema lets through, by the heading of its golden file. */
const SEEN_BY_WEBHOOK = [
  ["problems.txt", ALL_MISTAKES],
  ["problems.txt", "the later by name of two pools of one age that overlap"],
  ["problems.txt", "an interface twice"],
  ["bgp-problems.txt", "a community with a section too big"],
  ["bgp-problems.txt", "a hold time of 1 s"],
  ["bgp-problems.txt", "the younger of two peers with one address"],
  ["bgp-problems.txt", "an alias that another Community has"],
] as const;

const OURS = ["-n", "ironbridge-system"];
const CONTROLLER = [...OURS, "deployment/ironbridge-controller"];

interface KubeObject {
  readonly metadata?: { readonly name?: string };
}

describe("the webhook, asked by kube-apiserver through its Service", () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startTestCluster(IRONBRIDGE);
    await kubectl(cluster.plan, ["create", "namespace", "metallb-system"]);
    await refusalOf(splitCase(ALL_MISTAKES), 60_000); // until its certificate is trusted
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  const apply = (...objects: readonly object[]) => kubectl(cluster.plan, ["apply", "-f", "-"], listOf(objects));
  const remove = (...objects: readonly object[]) =>
    kubectl(cluster.plan, ["delete", "--ignore-not-found", "-f", "-"], listOf(objects));

  /** What kubectl says when it may not apply `bad` beside `others`, which a replica may see a moment after they are there. */
  async function refusalOf({ bad, others }: Case, patience = 5_000): Promise<string> {
    if (others.length > 0) await apply(...others);
    const attempt = async () => {
      try {
        await apply(bad);
      } catch (error) {
        return explainError(error);
      } finally {
        await remove(bad);
      }
      throw new Error("it was applied");
    };
    const words = await waitFor("a refusal", attempt, { deadline: patience, every: 200 });
    if (others.length > 0) await remove(...others);
    return words;
  }

  test.each(SEEN_BY_WEBHOOK)("refuses in the words of %s: %s", async (file, name) => {
    const words = await refusalOf(splitCase(name));
    const golden = goldenWords(`config/${file}`, name);
    expect(golden.length).toBeGreaterThan(0);
    for (const message of golden) expect(words).toContain(message);
  });

  test("refuses an object of another namespace", async () => {
    const pool = { ...poolObject("lost", ["10.9.0.0/24"]), metadata: { name: "lost", namespace: "default" } };
    const words = await refusalOf({ bad: pool, others: [] });
    expect(words).toContain('metadata.namespace is "default": resource must be created in ironbridge-system namespace');
  });

  test("refuses an edit too, and keeps a BFDProfile that a peer names", async () => {
    const pool = poolObject("edited", ["10.9.0.0/24"]);
    const profile = { apiVersion: "metallb.io/v1beta1", kind: "BFDProfile", metadata: named("used"), spec: {} };
    const peer = peerObject({ bfdProfile: "used" });
    await apply(pool, profile, peer);
    await expect(apply(poolObject("edited", ["10.9.0.0/24", "10.9.0.7/32"]))).rejects.toThrowError("overlaps");
    await expect(remove(profile)).rejects.toThrowError("BGPPeer metallb-system/router: spec.bfdProfile");
    await remove(peer);
    await remove(profile, pool);
  });

  test("the schema itself refuses what CEL can express, as a change of enableGracefulRestart", async () => {
    await apply(peerObject({ enableGracefulRestart: true }));
    const change = apply(peerObject({ enableGracefulRestart: false }));
    await expect(change).rejects.toThrowError("enableGracefulRestart can't be changed after creation");
    await remove(peerObject({}));
  });

  test("a webhook that is down holds up nothing; what it did not see ends as a condition in the same words", async () => {
    const { plan } = cluster;
    await kubectl(plan, ["scale", ...CONTROLLER, "--replicas=0"]);
    await kubectl(plan, ["wait", ...OURS, "pod", "-l", "app.kubernetes.io/component=controller", "--for=delete"]);
    const begun = performance.now();
    await apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "unrelated", namespace: "default" } });
    await apply(serviceObject("meanwhile"));
    const { bad } = splitCase(ALL_MISTAKES);
    await apply(bad);
    expect(performance.now() - begun).toBeLessThan(15_000);

    await kubectl(plan, ["scale", ...CONTROLLER, "--replicas=2"]);
    await waitForPods(plan, "ironbridge-system");
    expect(await externalAddress(plan, "default", "meanwhile")).toMatch(/^192\.168\.1\./);
    const told = async () => {
      const { status } = await getObject<PoolObject>(plan, "ipaddresspool", "bad", "-n", "metallb-system");
      return status?.conditions?.find(({ type, status }) => type === "Valid" && status === "False")?.message;
    };
    const message = await waitFor("the condition", told, { deadline: 10_000 });
    expect(message).toBe(goldenWords("config/problems.txt", ALL_MISTAKES).join(" "));
  });
});

/** Objects as YAML would give them: one with a mistake, and those beside it. */
interface Case {
  readonly bad: object;
  readonly others: readonly object[];
}

function splitCase(name: string): Case {
  const found = [...REFUSED_POOLS, ...REFUSED_BGP].find((each) => each.name === name);
  const objects: Partial<ConfigObjects> = found ?? expect.fail(`no case "${name}"`);
  const all = CONFIG_LISTS.flatMap((list) => {
    const { group, version, kind } = CONFIG_KINDS[list];
    const listed: readonly KubeObject[] = objects[list] ?? [];
    return listed.map((object) => ({ apiVersion: `${group}/${version}`, kind, ...object }));
  });
  return { bad: all.find(isBad)!, others: all.filter((object) => !isBad(object)) };
}

function isBad({ metadata }: KubeObject): boolean {
  return metadata?.name === "bad";
}

function listOf(items: readonly object[]): string {
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}

interface PoolObject {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message: string }[];
  };
}

function named(name: string) {
  return { name, namespace: "metallb-system" };
}

function poolObject(name: string, addresses: readonly string[]): object {
  return { apiVersion: "metallb.io/v1beta1", kind: "IPAddressPool", metadata: named(name), spec: { addresses } };
}

function peerObject(spec: object): object {
  const address = { myASN: 64512, peerASN: 64513, peerAddress: "192.0.2.1" };
  return {
    apiVersion: "metallb.io/v1beta2",
    kind: "BGPPeer",
    metadata: named("router"),
    spec: { ...address, ...spec },
  };
}

function serviceObject(name: string): object {
  const spec = { type: "LoadBalancer", ports: [{ port: 80 }], selector: { app: name } };
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace: "default" }, spec };
}
