import fc from "fast-check";
import { expect, test } from "vitest";
import type { MemoryTimes } from "../../../controller/address-memory.ts";
import { DUAL, PREFER, poolObjects, service } from "./objects.ts";
import { mayShare, Oracle } from "./oracle.ts";
import { World } from "./world.ts";

/** Configurations that random sequences switch between: grown, shrunk, divided, limited, avoided, broken, none. */
const CONFIGS: readonly Parameters<typeof poolObjects>[0][] = [
  { a: ["10.0.0.0/30"] },
  { a: ["10.0.0.0/31"] },
  { a: ["10.0.0.0/31"], b: ["10.0.0.2/31", "fc00::/127"] },
  { a: ["10.0.0.0/30", "fc00::/126"] },
  { a: { addresses: ["10.0.0.0/30"], avoidBuggyIPs: true }, c: ["10.0.1.0/32"] },
  { a: { addresses: ["10.0.0.0/30"], autoAssign: false }, c: ["10.0.1.0/31"] },
  { a: { addresses: ["10.0.0.0/31"], serviceAllocation: { namespaces: ["t"] } }, c: ["10.0.1.0/31"] },
  { a: ["10.0.0.3-10.0.0.0"], c: ["10.0.1.0/32"] },
  { a: { addresses: ["10.0.0.0/30", "fc00::/126"], excludes: ["10.0.0.1", "fc00::"], reserveFirstAndLast: true } },
  {},
];

const SHAPES: readonly ((port: number) => Parameters<typeof service>[1])[] = [
  () => ({}),
  () => ({ spec: PREFER }),
  () => ({ spec: DUAL }),
  () => ({ spec: { type: "ClusterIP" } }),
  () => ({ annotations: { "metallb.io/address-pool": "a" } }),
  () => ({ annotations: { "metallb.io/loadBalancerIPs": "10.0.0.1" } }),
  () => ({ annotations: { "metallb.io/loadBalancerIPs": "nonsense" } }),
  (port) => ({ annotations: { "metallb.io/allow-shared-ip": "k" }, spec: { ports: [{ port }] } }),
  (port) => ({
    annotations: { "metallb.io/allow-shared-ip": "k" },
    spec: { ports: [{ port }], externalTrafficPolicy: "Local", selector: { app: "x" } },
  }),
];

const KEYS = ["default/s0", "default/s1", "default/s2", "default/s3", "t/s4", "t/s5"];

/** Nothing is remembered; addresses come back; addresses come back and rest until then. */
const MEMORIES: readonly MemoryTimes[] = [
  { remember: 0, coolDown: 0 },
  { remember: 100, coolDown: 0 },
  { remember: 100, coolDown: 50 },
];

/** `IRONBRIDGE_TEST_RUNS=10000` for the long run. */
const RUNS = Number(process.env.IRONBRIDGE_TEST_RUNS ?? 300);

type Step =
  | { readonly do: "set"; readonly key: number; readonly shape: number; readonly port: number }
  | { readonly do: "remove"; readonly key: number }
  | { readonly do: "config"; readonly config: number }
  | { readonly do: "restart" }
  | { readonly do: "wait"; readonly milliseconds: number }
  /** Other pools, and the leader dies in the middle of what follows. */
  | { readonly do: "kill"; readonly config: number; readonly writes: number }
  /** The next writes fail and are tried again. */
  | { readonly do: "refuse"; readonly writes: number };

const below = (length: number) => fc.nat({ max: length - 1 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("set" as const),
        key: below(6),
        shape: below(SHAPES.length),
        port: below(3),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("remove" as const), key: below(6) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("config" as const), config: below(CONFIGS.length) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), milliseconds: below(60) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("kill" as const), config: below(CONFIGS.length), writes: below(7) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("refuse" as const), writes: below(4) }) },
  ),
  { maxLength: 25 },
);

function take(world: World, step: Step): void {
  if (step.do === "restart") world.restart();
  else if (step.do === "refuse") world.refusals = step.writes;
  else if (step.do === "wait") world.wait(step.milliseconds);
  else if (step.do === "config" || step.do === "kill") world.setPools(poolObjects(CONFIGS[step.config]!));
  else if (step.do === "remove") world.remove(KEYS[step.key]!);
  else setService(world, KEYS[step.key]!, SHAPES[step.shape]!(80 + step.port));
  if (step.do === "kill") world.kill(step.writes);
}

function setService(world: World, key: string, shape: Parameters<typeof service>[1]): void {
  const [namespace, name] = key.split("/") as [string, string];
  const made = service(name, { ...shape, namespace });
  if (world.services.has(key)) world.edit(key, () => made);
  else world.set(made);
}

function holders(world: World): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const key of world.services.keys()) {
    for (const ip of world.ips(key).split(",").filter(Boolean)) found.set(ip, [...(found.get(ip) ?? []), key]);
  }
  return found;
}

function checkInvariants(world: World): void {
  for (const [ip, keys] of holders(world)) {
    for (const [i, key] of keys.entries()) {
      const alone = keys.slice(0, i).every((other) => mayShare(world.services.get(key)!, world.services.get(other)!));
      expect(alone, `${ip} is held by ${keys.join(" and ")}`).toBe(true);
    }
  }
  for (const [key, subject] of world.services) {
    if (subject.spec?.type !== "LoadBalancer") expect(world.ips(key), `${key} needs no address`).toBe("");
    const claim = world.planner.allocator.claimOf(key);
    if (claim !== undefined)
      expect(claim.addresses.length, `${key} shows what it holds`).toBe(world.ips(key).split(",").length);
    expect(world.ips(key) === "" && world.pool(key) !== undefined, `${key} names a pool without an address`).toBe(
      false,
    );
  }
  const held = world.planner.allocator.usage().reduce((sum, { ipv4, ipv6 }) => sum + ipv4.held + ipv6.held, 0);
  const claimed = [...holders(world)].filter(([, keys]) => keys.some((key) => world.planner.allocator.claimOf(key)));
  expect(held, "addresses held by nobody").toBe(claimed.length);
}

/** What everybody has, when nobody may move: only the Service a step is about can change, or those that wait. */
function checkNoMove(before: ReadonlyMap<string, string>, world: World, step: Step): void {
  if ("config" in step) return;
  for (const [key, ips] of before) {
    if (ips === "" || !world.services.has(key) || ("key" in step && KEYS[step.key] === key)) continue;
    expect(world.ips(key).startsWith(ips), `${key} moved from ${ips} to ${world.ips(key)}`).toBe(true);
  }
}

/** What Services gave up, when: the memory once more, as plainly as can be. */
class Diary {
  readonly #world: World;
  readonly #times: MemoryTimes;
  readonly #entries = new Map<string, { readonly ips: readonly string[]; readonly at: number }>();

  constructor(world: World, times: MemoryTimes) {
    this.#world = world;
    this.#times = times;
  }

  /** To be told of what everybody had, after each step. */
  note(before: ReadonlyMap<string, string>): void {
    for (const [key, text] of before) {
      const gone = this.#world.services.get(key)?.spec?.type !== "LoadBalancer";
      if (gone && text !== "") this.#entries.set(key, { ips: text.split(","), at: this.#world.now });
    }
  }

  remembers(key: string): readonly string[] {
    const { ips = [], at = 0 } = this.#entries.get(key) ?? {};
    return this.#world.now - at < this.#times.remember ? ips : [];
  }

  readonly rests = (ip: string, key: string): boolean => {
    const { now } = this.#world;
    const former = [...this.#entries].filter(([, { ips, at }]) => ips.includes(ip) && now - at < this.#times.coolDown);
    const held = [...this.#world.services.keys()].some((each) => this.#world.ips(each).split(",").includes(ip));
    return !held && former.length > 0 && former.every(([owner]) => owner !== key);
  };
}

function oracleOf(world: World, pools: ReturnType<typeof poolObjects>, diary: Diary): Oracle {
  const ipsOf = (key: string) => world.ips(key).split(",").filter(Boolean);
  return new Oracle([...world.services.values()], ipsOf, pools, diary.rests);
}

/** What everybody has is allowed, and nobody waits for what could be given. */
function checkOracle(world: World, oracle: Oracle): void {
  for (const [key, subject] of world.services) {
    const ips = world.ips(key).split(",").filter(Boolean);
    if (ips.length === 0)
      expect(oracle.possible(subject), `${key} waits though it could have an address`).toBeUndefined();
    else if (!oracle.isOrphan(subject)) expect(oracle.objection(subject, ips), `${key} has ${ips}`).toBeUndefined();
  }
}

/** After new pools too, nobody moves who could have stayed; a second address may come. */
function checkNoNeedlessMove(before: ReadonlyMap<string, string>, world: World, oracle: Oracle): void {
  for (const [key, text] of before) {
    const subject = world.services.get(key);
    const had = text.split(",").filter(Boolean);
    if (subject === undefined || had.length === 0 || world.ips(key).startsWith(text)) continue;
    expect(oracle.objection(subject, had), `${key} lost ${text} and has ${world.ips(key)}`).toBeDefined();
  }
}

/** What a Service that was just set had before and could have again. */
function promisedTo(world: World, step: Step, oracle: Oracle, diary: Diary): readonly string[] {
  if (step.do !== "set") return [];
  const key = KEYS[step.key]!;
  const had = diary.remembers(key);
  return had.length > 0 && oracle.couldHave(world.services.get(key)!, had) ? had : [];
}

/** A Service that comes back has what it had, when that was to be had. */
function checkMemory(before: ReadonlyMap<string, string>, world: World, step: Step, promised: readonly string[]): void {
  if (step.do !== "set" || promised.length === 0) return;
  const key = KEYS[step.key]!;
  if ((before.get(key) ?? "") === "") expect(world.ips(key).split(",")).toEqual(expect.arrayContaining([...promised]));
}

test(
  "Planner keeps its promises under any sequence of changes",
  () => {
    fc.assert(
      fc.property(below(CONFIGS.length), fc.constantFrom(...MEMORIES), steps, (config, times, sequence) => {
        const world = new World(undefined, times);
        const diary = new Diary(world, times);
        let pools = poolObjects(CONFIGS[config]!);
        world.setPools(pools);
        for (const step of sequence) {
          if ("config" in step) pools = poolObjects(CONFIGS[step.config]!);
          const before = new Map(Array.from(world.services.keys(), (key) => [key, world.ips(key)]));
          take(world, step);
          const promised = promisedTo(world, step, oracleOf(world, pools, diary), diary);
          diary.note(before);
          world.settle();
          const oracle = oracleOf(world, pools, diary);
          checkInvariants(world);
          checkNoMove(before, world, step);
          checkOracle(world, oracle);
          checkNoNeedlessMove(before, world, oracle);
          checkMemory(before, world, step, promised);
          // A second look may know better who stands in the way, but moves nobody; a third has nothing to say.
          const settled = [...world.services.keys()].map((key) => world.ips(key));
          world.planner.markAll();
          world.settle();
          expect(
            [...world.services.keys()].map((key) => world.ips(key)),
            "moves though nothing changed",
          ).toEqual(settled);
          const writes = world.writes.length;
          world.planner.markAll();
          world.settle();
          expect(world.writes.length, "writes though nothing changed").toBe(writes);
        }
      }),
      { numRuns: RUNS },
    );
  },
  RUNS * 60,
);
