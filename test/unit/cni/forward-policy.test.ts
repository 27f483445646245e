import { expect, test } from "vitest";
import { forwardProblems } from "../../../cni/forward-policy.ts";
import { parsePrefix } from "../../../net/mod.ts";

const PODS = ["10.244.1.0/24", "fd00:244:1::/64"].map(parsePrefix);

/** The table filter of iptables-nft with these lines in its chain FORWARD and in one that it leads to. */
function listings(policy: string, forward: readonly string[], user: readonly string[] = []) {
  const head = `type filter hook forward priority filter; policy ${policy};`;
  const chain = (name: string, lines: readonly string[]) =>
    `\tchain ${name} {\n${lines.map((line) => `\t\t${line}\n`).join("")}\t}\n`;
  const table = chain("FORWARD", [head, ...forward]);
  return { chain: table, table: chain("DOCKER-USER", user) + table };
}

async function problems(found: ReturnType<typeof listings> | undefined, pods = PODS): Promise<string[]> {
  const list = async (command: string) => {
    if (!/ ip filter\b/.test(command)) return undefined;
    return command === "list chain ip filter FORWARD" ? found?.chain : found?.table;
  };
  return forwardProblems({ list }, pods);
}

const COUNTER = "counter packets 7 bytes 420";

test("forwardProblems() names the policy DROP and the remedy", async () => {
  const [problem, ...others] = await problems(listings("drop", [`ct state established ${COUNTER} accept`]));
  expect(problem).toContain("the chain FORWARD of iptables drops");
  expect(problem).toContain("iptables -I FORWARD -i ironbr0 -j ACCEPT");
  expect(others).toEqual([]);
});

test.each([
  ["no such chain", undefined],
  ["the policy ACCEPT", listings("accept", [])],
  [
    "rules that accept the bridge",
    listings("drop", [`iifname "ironbr0" ${COUNTER} accept`, `oifname "ironbr0"  ${COUNTER} accept`]),
  ],
  [
    "rules that accept the cluster's prefix, where Docker wants them",
    listings("drop", [], [`ip saddr 10.244.0.0/16 ${COUNTER} accept`, `ip daddr 10.244.0.0/16 ${COUNTER} accept`]),
  ],
])("forwardProblems() says nothing with %s", async (_, found) => {
  expect(await problems(found)).toEqual([]);
});

test.each([
  ["one way only", [`iifname "ironbr0" ${COUNTER} accept`]],
  ["another bridge", [`iifname "docker0" ${COUNTER} accept`, `oifname "docker0" ${COUNTER} accept`]],
  ["a part of the pods", [`ip saddr 10.244.1.0/25 ${COUNTER} accept`, `ip daddr 10.244.1.0/25 ${COUNTER} accept`]],
  ["one pod", [`ip saddr 10.244.1.7 ${COUNTER} accept`, `ip daddr 10.244.1.7 ${COUNTER} accept`]],
  ["one port of theirs", [`iifname "ironbr0" tcp dport 80 ${COUNTER} accept`, `oifname "ironbr0" ${COUNTER} accept`]],
])("forwardProblems() is not content with rules for %s", async (_, rules) => {
  expect(await problems(listings("drop", rules))).toHaveLength(1);
});

test("forwardProblems() looks at the families that pods have", async () => {
  expect(await problems(listings("drop", []), PODS.slice(1))).toEqual([]);
});
