import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runNetworkSpecs } from "./e2e/run.ts";
import { KUBE_PROXY_ONLY } from "./e2e/selection.ts";
import { fallenBehind, printTable, type Results } from "./e2e/table.ts";
import { CHECKOUT } from "./plan.ts";
import { startTestCluster } from "./support/test-cluster.ts";
import { IRONBRIDGE, REFERENCE, type Variant } from "./variant.ts";

const OUT = join(CHECKOUT.root, "dist", "cluster", "e2e");
const HOUR = 3_600_000;

const ALL = /\[sig-network\]/;
const CONFORMANCE = /\[sig-network\].*\[Conformance\]/;

const COLUMNS: Readonly<Record<string, { readonly variant: Variant; readonly focus: RegExp }>> = {
  "kube-proxy + reference CNI": { variant: REFERENCE, focus: ALL },
  "ironbridge nftables": { variant: IRONBRIDGE, focus: ALL },
  // What differs from nftables is the backend alone, and a run of all takes a quarter of an hour.
  "ironbridge iptables": { variant: { ...IRONBRIDGE, proxyMode: "iptables" }, focus: CONFORMANCE },
};

test("Kubernetes' network specs pass where they pass with what Ironbridge replaces", {
  timeout: 3 * HOUR,
}, async () => {
  const columns: Record<string, Results> = {};
  for (const [name, { variant, focus }] of Object.entries(COLUMNS)) {
    await using cluster = await startTestCluster(variant);
    columns[name] = await runNetworkSpecs(cluster.plan, join(OUT, name.replaceAll(" ", "-")), focus);
  }
  const noteOf = (spec: string) => KUBE_PROXY_ONLY.find(({ pattern }) => pattern.test(spec))?.reason ?? "";
  const table = printTable(columns, noteOf);
  writeFileSync(join(OUT, "table.md"), `${table}\n`);
  process.stdout.write(`${table}\n`);

  const [reference = new Map(), ...ours] = Object.values(columns);
  expect(reference.size).toBeGreaterThan(0);
  for (const [index, results] of ours.entries()) {
    const asked = Object.values(COLUMNS)[index + 1]?.focus === CONFORMANCE ? onlyConformance(reference) : reference;
    const behind = fallenBehind(results, asked).filter(({ name }) => noteOf(name) === "");
    expect(behind.map(({ name, message }) => `${name}: ${message}`)).toEqual([]);
  }
});

function onlyConformance(results: Results): Results {
  return new Map([...results].filter(([, { conformance }]) => conformance));
}
