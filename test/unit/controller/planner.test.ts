import { describe, expect, test } from "vitest";
import { DUAL, PREFER, PREFER_SIX, poolObjects, service } from "./objects.ts";
import { World } from "./world.ts";

const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, "0")}Z`;
const shared = (port: number, policy?: string, selector?: Record<string, string>) => ({
  annotations: { "metallb.io/allow-shared-ip": "k" },
  spec: {
    ports: [{ port }],
    ...(policy === undefined ? {} : { externalTrafficPolicy: policy }),
    ...(selector === undefined ? {} : { selector }),
  },
});

function world(pools: Parameters<typeof poolObjects>[0]): World {
  const made = new World();
  made.setPools(poolObjects(pools));
  return made;
}

describe("Planner: an address that comes free goes to the one that waits longest", () => {
  const cases: { name: string; free: (subject: World) => void }[] = [
    { name: "the holder is deleted", free: (subject) => subject.remove("default/first") },
    {
      name: "the holder becomes a ClusterIP Service",
      free: (subject) =>
        subject.edit("default/first", ({ spec, ...rest }) => ({ ...rest, spec: { ...spec, type: "ClusterIP" } })),
    },
    {
      name: "the holder goes to another class",
      free: (subject) =>
        subject.edit("default/first", ({ spec, ...rest }) => ({ ...rest, spec: { ...spec, loadBalancerClass: "x" } })),
    },
  ];
  test.each(cases)("$name", ({ free }) => {
    const subject = world({ a: ["10.0.0.0/32"] });
    subject.set(service("first", { created: at(1) }));
    subject.settle();
    subject.set(service("third", { created: at(3) }));
    subject.settle();
    subject.set(service("second", { created: at(2) }));
    subject.settle();
    free(subject);
    subject.set(service("zero", { created: at(9) }));
    subject.settle();
    expect(["second", "third", "zero"].map((name) => subject.ips(`default/${name}`))).toEqual(["10.0.0.0", "", ""]);
  });

  test("a complaint is told once, and again only when it changes", () => {
    const subject = world({ a: ["10.0.0.0/32"] });
    subject.set(service("first"));
    subject.settle();
    subject.set(service("second"));
    for (let i = 0; i < 3; i++) {
      subject.planner.markAll();
      subject.settle();
    }
    const complaints = () => subject.notes.filter(({ reason }) => reason === "AllocationFailed").length;
    expect(complaints()).toBe(1);
    subject.edit("default/second", (before) => ({
      ...before,
      metadata: { ...before.metadata, annotations: { "metallb.io/address-pool": "b" } },
    }));
    subject.settle();
    expect(complaints()).toBe(2);
  });
});

describe("Planner: a restart", () => {
  test("keeps every address in use, and gives the others none of them, five times", () => {
    const subject = world({ a: ["10.0.0.0/31"] });
    subject.set(service("one"));
    subject.set(service("two"));
    subject.settle();
    // Older than those that hold addresses, so that order by age alone would give it one of theirs.
    subject.set(service("a-pending", { created: "2020-01-01T00:00:00Z" }));
    subject.set(service("b-pending"));
    subject.settle();
    const writes = subject.writes.length;
    for (let i = 0; i < 5; i++) {
      subject.restart();
      subject.settle();
    }
    expect(["one", "two", "a-pending", "b-pending"].map((name) => subject.ips(`default/${name}`))).toEqual([
      "10.0.0.0",
      "10.0.0.1",
      "",
      "",
    ]);
    expect(subject.writes).toHaveLength(writes);
  });

  test("of two Services that both claim an address, the older keeps it", () => {
    const subject = world({ a: ["10.0.0.0/31"] });
    subject.set(service("young", { created: at(2), ingress: ["10.0.0.0"] }));
    subject.set(service("old", { created: at(1), ingress: ["10.0.0.0"] }));
    subject.settle();
    expect([subject.ips("default/old"), subject.ips("default/young")]).toEqual(["10.0.0.0", "10.0.0.1"]);
  });
});

test("Planner: a Service that must move takes no address that another one's status shows but nobody has claimed", () => {
  const subject = world({ a: ["10.0.0.0/31"] });
  subject.set(service("moves", { created: at(1), ingress: ["192.0.2.1"] }));
  subject.set(service("stays", { created: at(2), ingress: ["10.0.0.0"] }));
  subject.settle();
  expect([subject.ips("default/moves"), subject.ips("default/stays")]).toEqual(["10.0.0.1", "10.0.0.0"]);
});

describe("Planner: sharing reconsidered", () => {
  test("policies and selectors that come apart and together again", () => {
    const subject = world({ a: ["10.0.0.0/32"] });
    const ips = () => [subject.ips("default/one"), subject.ips("default/two")];
    const change = (name: string, port: number, policy?: string, selector?: Record<string, string>) => {
      subject.edit(`default/${name}`, ({ metadata }) => ({
        ...service(name, shared(port, policy, selector)),
        metadata: { ...metadata },
      }));
      subject.settle();
    };
    subject.set(service("one", shared(80, "Cluster", { app: "x" })));
    subject.set(service("two", shared(81, "Cluster", { app: "x" })));
    subject.settle();
    expect(ips()).toEqual(["10.0.0.0", "10.0.0.0"]);
    change("two", 81, "Local", { app: "x" });
    expect(ips()).toEqual(["10.0.0.0", ""]);
    change("one", 80, "Local", { app: "x" });
    expect(ips()).toEqual(["10.0.0.0", "10.0.0.0"]);
    change("one", 80, "Local", { app: "y" });
    expect(ips()).toEqual(["", "10.0.0.0"]);
    change("two", 81, "Local", { app: "y" });
    expect(ips()).toEqual(["10.0.0.0", "10.0.0.0"]);
  });
});

describe("Planner: pools change", () => {
  test("all deleted: every address goes; back again: every Service has one", () => {
    const subject = world({ a: ["10.0.0.0/31"] });
    subject.set(service("one"));
    subject.settle();
    subject.setPools([]);
    subject.settle();
    expect(subject.ips("default/one")).toBe("");
    expect(subject.pool("default/one")).toBeUndefined();
    subject.setPools(poolObjects({ a: ["10.0.0.0/31"] }));
    subject.settle();
    expect(subject.ips("default/one")).toBe("10.0.0.0");
  });

  test("one of two deleted: its Services move to the other", () => {
    const subject = world({ a: ["10.0.0.0/32"], b: ["10.0.1.0/32"] });
    subject.set(service("one"));
    subject.settle();
    subject.setPools(poolObjects({ b: ["10.0.1.0/32"] }));
    subject.settle();
    expect([subject.ips("default/one"), subject.pool("default/one")]).toEqual(["10.0.1.0", "b"]);
    expect(subject.notes.map(({ reason }) => reason)).toEqual(["IPAllocated", "ClearAssignment", "IPAllocated"]);
  });

  test("renamed: addresses stay, the annotation follows", () => {
    const subject = world({ a: ["10.0.0.0/31"] });
    subject.set(service("one"));
    subject.settle();
    subject.setPools(poolObjects({ b: ["10.0.0.0/31"] }));
    subject.settle();
    expect([subject.ips("default/one"), subject.pool("default/one")]).toEqual(["10.0.0.0", "b"]);
  });

  test("autoAssign turned off: addresses stay, a new Service waits", () => {
    const subject = world({ a: ["10.0.0.0/31"] });
    subject.set(service("one"));
    subject.settle();
    subject.setPools(poolObjects({ a: { addresses: ["10.0.0.0/31"], autoAssign: false } }));
    subject.set(service("two"));
    subject.settle();
    expect([subject.ips("default/one"), subject.ips("default/two")]).toEqual(["10.0.0.0", ""]);
  });

  test("a typing error in a pool takes no address away, and correcting it gives none away", () => {
    const subject = world({ a: ["10.0.0.0/31"] });
    subject.set(service("one"));
    subject.settle();
    subject.setPools(poolObjects({ a: ["10.0.0.0-10.0.0"], b: ["10.0.1.0/32"] }));
    subject.settle();
    expect([subject.ips("default/one"), subject.pool("default/one")]).toEqual(["10.0.0.0", "a"]);
    subject.restart();
    subject.set(service("two", { created: "2020-01-01T00:00:00Z" }));
    subject.settle();
    expect(subject.ips("default/one")).toBe("10.0.0.0");
    subject.setPools(poolObjects({ a: ["10.0.0.0/31"] }));
    subject.settle();
    expect([subject.ips("default/one"), subject.ips("default/two")]).toEqual(["10.0.0.0", "10.0.0.1"]);
  });

  test("only Services that something changed for are written", () => {
    const subject = world({ a: ["10.0.0.0/24"] });
    for (let i = 0; i < 20; i++) subject.set(service(`s${i}`));
    subject.settle();
    expect(subject.writes).toHaveLength(20);
    subject.setPools(poolObjects({ a: ["10.0.0.0/23"] }));
    subject.settle();
    subject.remove("default/s7");
    subject.settle();
    expect(subject.writes).toHaveLength(20);
  });
});

describe("Planner: which pool", () => {
  /** Services made one after the other, and the pool each came from. */
  const poolsTaken = (subject: World, services: readonly Parameters<typeof service>[]) =>
    services.map(([name, options]) => {
      subject.set(service(name, options));
      subject.settle();
      return subject.pool(`${options?.namespace ?? "default"}/${name}`);
    });
  const one = (address: string, serviceAllocation?: object) => ({
    addresses: [`${address}/32`],
    ...(serviceAllocation === undefined ? {} : { serviceAllocation }),
  });
  const three = (options: Parameters<typeof service>[1] = {}): Parameters<typeof service>[] => [
    ["one", options],
    ["two", options],
    ["three", options],
    ["four", options],
  ];

  test("pools for everybody by name", () => {
    const subject = world({ c: one("10.0.0.3"), a: one("10.0.0.1"), b: one("10.0.0.2") });
    expect(poolsTaken(subject, three())).toEqual(["a", "b", "c", undefined]);
  });

  test("by namespace: priority 10, then 20, then none", () => {
    const subject = world({
      any: one("10.0.0.3"),
      p20: one("10.0.0.2", { priority: 20, namespaces: ["t"] }),
      p10: one("10.0.0.1", { priority: 10, namespaces: ["t"] }),
      other: one("10.0.0.4", { priority: 1, namespaces: ["u"] }),
    });
    expect(poolsTaken(subject, three({ namespace: "t" }))).toEqual(["p10", "p20", "any", undefined]);
  });

  const gold = [{ matchLabels: { tier: "gold" } }];
  const red = [{ matchLabels: { team: "red" } }];
  const kinds: { name: string; first: object; second: object }[] = [
    {
      name: "selector of namespaces, then namespaces",
      first: { namespaceSelectors: red },
      second: { namespaces: ["t"] },
    },
    {
      name: "namespaces, then selector of namespaces",
      first: { namespaces: ["t"] },
      second: { namespaceSelectors: red },
    },
    { name: "selector of Services, twice", first: { serviceSelectors: gold }, second: { serviceSelectors: gold } },
    { name: "namespaces, then selector of Services", first: { namespaces: ["t"] }, second: { serviceSelectors: gold } },
    {
      name: "selector of Services, then of namespaces",
      first: { serviceSelectors: gold },
      second: { namespaceSelectors: red },
    },
  ];
  test.each(kinds)("priority 10, then 20, then none, whatever chooses: $name", ({ first, second }) => {
    const subject = world({
      any: one("10.0.0.3"),
      p20: one("10.0.0.2", { priority: 20, ...second }),
      p10: one("10.0.0.1", { priority: 10, ...first }),
    });
    subject.namespaces.set("t", { team: "red" });
    const options = { namespace: "t", labels: { tier: "gold" } };
    expect(poolsTaken(subject, three(options))).toEqual(["p10", "p20", "any", undefined]);
  });

  test("a namespace with two teams' labels, one after the other, uses each one's pool; what has no room goes to the pool for everybody", () => {
    const subject = world({
      any: one("10.0.0.3"),
      red: one("10.0.0.1", { priority: 20, namespaceSelectors: red }),
      blue: one("10.0.0.2", { priority: 10, namespaceSelectors: [{ matchLabels: { team: "blue" } }] }),
    });
    subject.namespaces.set("t", { team: "red" });
    subject.namespaces.set("u", { team: "blue" });
    const asked: Parameters<typeof service>[] = [
      ["one", { namespace: "t" }],
      ["one", { namespace: "u" }],
      ["two", { namespace: "t" }],
    ];
    expect(poolsTaken(subject, asked)).toEqual(["red", "blue", "any"]);
    subject.remove("u/one");
    subject.relabel("t", { team: "blue" });
    subject.settle();
    expect([subject.pool("t/one"), subject.pool("t/two")]).toEqual(["blue", "any"]);
  });

  test("only a priority: 10, then 20, then 0, then the pool for everybody", () => {
    const subject = world({
      any: one("10.0.0.4"),
      p0: one("10.0.0.3", {}),
      p20: one("10.0.0.2", { priority: 20 }),
      p10: one("10.0.0.1", { priority: 10 }),
    });
    expect(poolsTaken(subject, three())).toEqual(["p10", "p20", "p0", "any"]);
  });

  test("by Service labels, and both must match where both are given", () => {
    const subject = world({
      any: one("10.0.0.3"),
      both: one("10.0.0.2", { priority: 1, namespaces: ["t"], serviceSelectors: gold }),
      gold: one("10.0.0.1", { priority: 2, serviceSelectors: gold }),
    });
    expect(poolsTaken(subject, three({ labels: { tier: "gold" } }))).toEqual(["gold", "any", undefined, undefined]);
    expect(poolsTaken(subject, [["five", { namespace: "t", labels: { tier: "gold" } }]])).toEqual(["both"]);
  });

  test("by namespace labels, and again when they change", () => {
    const subject = world({
      any: one("10.0.0.2"),
      red: one("10.0.0.1", { namespaceSelectors: [{ matchLabels: { team: "red" } }] }),
    });
    subject.namespaces.set("t", { team: "red" });
    expect(poolsTaken(subject, [["one", { namespace: "t" }]])).toEqual(["red"]);
    subject.relabel("t", { team: "blue" });
    subject.settle();
    expect(subject.pool("t/one")).toBe("any");
    subject.set(service("two", { namespace: "t" }));
    subject.settle();
    expect(subject.pool("t/two")).toBeUndefined();
    subject.relabel("t", { team: "red" });
    subject.settle();
    expect([subject.pool("t/one"), subject.pool("t/two")]).toEqual(["any", "red"]);
  });

  test("a Service that leaves the class of a pool by its labels moves", () => {
    const subject = world({
      any: one("10.0.0.2"),
      gold: one("10.0.0.1", { serviceSelectors: [{ matchLabels: { tier: "gold" } }] }),
    });
    expect(poolsTaken(subject, [["one", { labels: { tier: "gold" } }]])).toEqual(["gold"]);
    subject.edit("default/one", (before) => ({ ...before, metadata: { ...before.metadata, labels: {} } }));
    subject.settle();
    expect(subject.pool("default/one")).toBe("any");
  });
});

describe("Planner: dual stack", () => {
  test("PreferDualStack takes both from the pool that has both", () => {
    const subject = world({ a: ["10.0.0.0/24"], b: ["fc00::/120"], c: ["10.0.1.0/24", "fc01::/120"] });
    subject.set(service("s", { spec: PREFER }));
    subject.settle();
    expect([subject.ips("default/s"), subject.pool("default/s")]).toEqual(["10.0.1.0,fc01::", "c"]);
  });

  test("PreferDualStack from pools of one family: the first family of the Service", () => {
    const subject = world({ a: ["10.0.0.0/24"], b: ["fc00::/120"] });
    subject.set(service("four", { spec: PREFER }));
    subject.set(service("six", { spec: PREFER_SIX }));
    subject.settle();
    expect([subject.ips("default/four"), subject.ips("default/six")]).toEqual(["10.0.0.0", "fc00::"]);
  });

  test("a pool that gets the other family completes its Services; a new pool of both moves none", () => {
    const subject = world({ a: ["10.0.0.0/24"] });
    subject.set(service("s", { spec: PREFER }));
    subject.settle();
    subject.setPools(poolObjects({ a: ["10.0.0.0/24"], c: ["10.0.1.0/24", "fc01::/120"] }));
    subject.settle();
    expect(subject.ips("default/s")).toBe("10.0.0.0");
    subject.setPools(poolObjects({ a: ["10.0.0.0/24", "fc00::/120"] }));
    subject.settle();
    expect(subject.ips("default/s")).toBe("10.0.0.0,fc00::");
  });

  test("a pool of both that loses a family: both addresses come from another pool", () => {
    const subject = world({ a: ["10.0.0.0/24", "fc00::/120"], c: ["10.0.1.0/24", "fc01::/120"] });
    subject.set(service("s", { spec: DUAL }));
    subject.settle();
    subject.setPools(poolObjects({ a: ["10.0.0.0/24"], c: ["10.0.1.0/24", "fc01::/120"] }));
    subject.settle();
    expect(subject.ips("default/s")).toBe("10.0.1.0,fc01::");
  });

  test("Prefer to Require on a pool of one family takes the address away, and back gives it", () => {
    const subject = world({ a: ["10.0.0.0/24"] });
    const policy = (spec: object) => {
      subject.edit("default/s", (before) => ({ ...before, spec: { ...before.spec, ...spec } }));
      subject.settle();
      return subject.ips("default/s");
    };
    subject.set(service("s", { spec: PREFER }));
    subject.settle();
    expect([policy(DUAL), policy(PREFER)]).toEqual(["", "10.0.0.0"]);
  });

  test("a Service that prefers dual stack gets the second address when one comes free", () => {
    const subject = world({ a: ["10.0.0.0/24", "fc00::/128"] });
    subject.set(service("one", { spec: PREFER, created: at(1) }));
    subject.set(service("two", { spec: PREFER, created: at(2), annotations: { "metallb.io/address-pool": "a" } }));
    subject.settle();
    expect([subject.ips("default/one"), subject.ips("default/two")]).toEqual(["10.0.0.0,fc00::", "10.0.0.1"]);
    subject.remove("default/one");
    subject.settle();
    expect(subject.ips("default/two")).toBe("10.0.0.1,fc00::");
  });
});

test("Planner: with a class of its own serves that class and leaves all others alone", () => {
  const subject = new World("example.com/lb");
  subject.setPools(poolObjects({ a: ["10.0.0.0/24"] }));
  subject.set(service("mine", { spec: { loadBalancerClass: "example.com/lb" } }));
  subject.set(service("none", { ingress: ["192.0.2.1"] }));
  subject.settle();
  expect([subject.ips("default/mine"), subject.ips("default/none")]).toEqual(["10.0.0.0", "192.0.2.1"]);
});

test("Planner: a plan that was put back keeps its address and tells its notes with the next one", () => {
  const subject = world({ a: ["10.0.0.0/24"] });
  subject.set(service("one"));
  const [failed] = subject.planner.plan(0);
  subject.planner.putBack(failed!);
  subject.set(service("two", { created: "2020-01-01T00:00:00Z" }));
  subject.settle();
  expect([subject.ips("default/one"), subject.ips("default/two")]).toEqual(["10.0.0.0", "10.0.0.1"]);
  expect(subject.notes.filter(({ key }) => key === "default/one").map(({ message }) => message)).toEqual([
    'Assigned IP ["10.0.0.0"]',
  ]);
});
