import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runNetworkSpecs } from "./e2e/run.ts";
import { KUBE_PROXY_ONLY, LATER } from "./e2e/selection.ts";
import { fallenBehind, printTable, type Results } from "./e2e/table.ts";
import { CHECKOUT } from "./plan.ts";
import { startTestCluster } from "./support/test-cluster.ts";
import { IRONBRIDGE, REFERENCE, type Variant } from "./variant.ts";

const OUT = join(CHECKOUT.root, "dist", "cluster", "e2e");
const HOUR = 3_600_000;

const VARIANTS: Readonly<Record<string, Variant>> = {
  "kube-proxy + reference CNI": REFERENCE,
  "ironbridge nftables": IRONBRIDGE,
  "ironbridge iptables": { ...IRONBRIDGE, proxyMode: "iptables" },
};
const EXPLAINED = [...LATER, ...KUBE_PROXY_ONLY];

test("Kubernetes' network specs pass where they pass with what Ironbridge replaces", {
  timeout: 3 * HOUR,
}, async () => {
  const columns: Record<string, Results> = {};
  for (const [name, variant] of Object.entries(VARIANTS)) {
    await using cluster = await startTestCluster(variant);
    columns[name] = await runNetworkSpecs(cluster.plan, join(OUT, name.replaceAll(" ", "-")));
  }
  const noteOf = (spec: string) => EXPLAINED.find(({ pattern }) => pattern.test(spec))?.reason ?? "";
  const table = printTable(columns, noteOf);
  writeFileSync(join(OUT, "table.md"), `${table}\n`);
  process.stdout.write(`${table}\n`);

  const [reference = new Map(), ...ours] = Object.values(columns);
  expect(reference.size).toBeGreaterThan(0);
  for (const results of ours) {
    const behind = fallenBehind(results, reference).filter(({ name }) => noteOf(name) === "");
    expect(behind.map(({ name, message }) => `${name}: ${message}`)).toEqual([]);
  }
});
