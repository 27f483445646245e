import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CniError } from "../../../cni/cni-error.ts";
import { failureAnswer } from "../../../cni/frame.ts";
import { answerVersion } from "../../../cni/network-config.ts";
import { parseRequest } from "../../../cni/request.ts";

const ENV = { CNI_CONTAINERID: "c1", CNI_NETNS: "/run/netns/p1", CNI_IFNAME: "eth0", CNI_PATH: "/opt/cni/bin" };
const CONFIG = { cniVersion: "1.1.0", name: "ironbridge", type: "ironbridge-cni" };

function call(command: string | undefined, env: Record<string, string> = {}, config: unknown = CONFIG) {
  const stdin = typeof config === "string" ? config : JSON.stringify(config);
  return { env: { ...ENV, ...(command === undefined ? {} : { CNI_COMMAND: command }), ...env }, stdin };
}

function refusal(invocation: ReturnType<typeof call>): { code: number; message: string } | undefined {
  try {
    parseRequest(invocation);
    return undefined;
  } catch (error) {
    if (error instanceof CniError) return { code: error.code, message: error.message };
    throw error;
  }
}

describe("parseRequest() refuses", () => {
  const cases: { name: string; of: ReturnType<typeof call>; code: number; says: string }[] = [
    { name: "no command", of: call(undefined), code: 4, says: "CNI_COMMAND" },
    { name: "an unknown command", of: call("PING"), code: 4, says: '"PING"' },
    { name: "a command that every object has", of: call("toString"), code: 4, says: "toString" },
    {
      name: "missing variables, all in one message",
      of: call("ADD", { CNI_CONTAINERID: "", CNI_NETNS: "", CNI_IFNAME: "" }),
      code: 4,
      says: "CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME",
    },
    { name: "GC without CNI_PATH", of: call("GC", { CNI_PATH: "" }), code: 4, says: "CNI_PATH" },
    {
      name: "a container id with a slash",
      of: call("ADD", { CNI_CONTAINERID: "a/b" }),
      code: 4,
      says: "CNI_CONTAINERID",
    },
    { name: "a container id that starts with a dot", of: call("DEL", { CNI_CONTAINERID: ".a" }), code: 4, says: ".a" },
    {
      name: "an interface name of 16 octets",
      of: call("ADD", { CNI_IFNAME: "a".repeat(16) }),
      code: 4,
      says: "CNI_IFNAME",
    },
    { name: "the interface name ..", of: call("ADD", { CNI_IFNAME: ".." }), code: 4, says: "CNI_IFNAME" },
    { name: "an interface name with a colon", of: call("ADD", { CNI_IFNAME: "a:b" }), code: 4, says: "CNI_IFNAME" },
    { name: "an interface name with white space", of: call("ADD", { CNI_IFNAME: "a b" }), code: 4, says: "CNI_IFNAME" },
    { name: "arguments that are no pairs", of: call("ADD", { CNI_ARGS: "A" }), code: 4, says: "CNI_ARGS" },
    { name: "unknown arguments", of: call("ADD", { CNI_ARGS: "COLOUR=red" }), code: 4, says: "COLOUR" },
    { name: "what is not JSON", of: call("ADD", {}, "{"), code: 6, says: "not JSON" },
    { name: "JSON that is no object", of: call("ADD", {}, "[1]"), code: 6, says: "not a JSON object" },
    {
      name: "a version that is a number",
      of: call("ADD", {}, { ...CONFIG, cniVersion: 1 }),
      code: 6,
      says: "cniVersion",
    },
    { name: "no version", of: call("ADD", {}, { name: "a" }), code: 1, says: "0.3.1, 0.4.0, 1.0.0, 1.1.0" },
    { name: "an unknown version", of: call("ADD", {}, { ...CONFIG, cniVersion: "0.2.0" }), code: 1, says: '"0.2.0"' },
    {
      name: "CHECK before 0.4.0",
      of: call("CHECK", {}, { ...CONFIG, cniVersion: "0.3.1" }),
      code: 1,
      says: "0.4.0 is the first",
    },
    { name: "GC before 1.1.0", of: call("GC", {}, { ...CONFIG, cniVersion: "1.0.0" }), code: 1, says: "no GC" },
    {
      name: "STATUS before 1.1.0",
      of: call("STATUS", {}, { ...CONFIG, cniVersion: "1.0.0" }),
      code: 1,
      says: "no STATUS",
    },
    { name: "no network name", of: call("ADD", {}, { cniVersion: "1.0.0" }), code: 7, says: "name" },
    { name: "a network name with a slash", of: call("ADD", {}, { ...CONFIG, name: "a/b" }), code: 7, says: "a/b" },
    {
      name: "dns of the wrong shape",
      of: call("ADD", {}, { ...CONFIG, dns: { search: 1 } }),
      code: 7,
      says: "dns.search",
    },
    { name: "an MTU without room for IPv6", of: call("ADD", {}, { ...CONFIG, mtu: 1279 }), code: 7, says: "1280" },
    { name: "a vlan", of: call("ADD", {}, { ...CONFIG, vlan: 100 }), code: 2, says: "vlan with value 100" },
    {
      name: "an IPAM plugin",
      of: call("ADD", {}, { ...CONFIG, ipam: { type: "x" } }),
      code: 2,
      says: 'ipam.type "x" is not supported',
    },
    { name: "CHECK without prevResult", of: call("CHECK"), code: 7, says: "prevResult" },
    { name: "GC without a list", of: call("GC"), code: 7, says: "cni.dev/valid-attachments" },
  ];
  test.each(cases)("$name", ({ of, code, says }) => {
    const refused = refusal(of);
    expect(refused?.code).toBe(code);
    expect(refused?.message).toContain(says);
  });
});

test.each([
  ...["isGateway", "isDefaultGateway", "ipMasq", "hairpinMode"].map((key) => [key, false] as const),
  ...["promiscMode", "macspoofchk", "portIsolation", "enabledad"].map((key) => [key, true] as const),
  ["disableContainerInterface", true],
  ["bridge", "cni0"],
  ["vlanTrunk", [{ id: 100 }]],
  ["ipMasqBackend", "nftables"],
] as const)("parseRequest() refuses the reference plugin's %s with value %j by its name", (key, value) => {
  const refused = refusal(call("ADD", {}, { ...CONFIG, [key]: value }));
  expect(refused?.code).toBe(2);
  expect(refused?.message).toContain(`${key} with value`);
});

describe("parseRequest() reads", () => {
  test("ADD with the pod's name", () => {
    const CNI_ARGS = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u1;COLOUR=red";
    expect(parseRequest(call("ADD", { CNI_ARGS }))).toMatchObject({
      command: "ADD",
      key: { containerId: "c1", ifname: "eth0" },
      netns: "/run/netns/p1",
      pod: { namespace: "shop", name: "web-0", uid: "u1" },
    });
  });

  test("DEL without a namespace", () => {
    const request = parseRequest(call("DEL", { CNI_NETNS: "" }));
    expect(request).toEqual({ command: "DEL", key: { containerId: "c1", ifname: "eth0" }, config: expect.anything() });
  });

  test.each(["cni.dev/valid-attachments", "cni.dev/attachments"])("the list of GC under %s", (name) => {
    const request = parseRequest(call("GC", {}, { ...CONFIG, [name]: [{ containerID: "c1", ifname: "eth0" }] }));
    expect(request).toMatchObject({ command: "GC", valid: [{ containerId: "c1", ifname: "eth0" }] });
  });

  test.each(["0.3.1", "0.4.0", "1.0.0", "1.1.0"])("version %s", (cniVersion) => {
    expect(parseRequest(call("ADD", {}, { ...CONFIG, cniVersion })).config.cniVersion).toBe(cniVersion);
  });

  test("keys of the reference plugin that say what is done anyway", () => {
    const config = { ...CONFIG, bridge: "ironbr0", isGateway: true, ipMasq: true, hairpinMode: true, vlan: 0 };
    for (const value of [true, false]) {
      const all = { ...config, forceAddress: value, preserveDefaultVlan: value };
      expect(refusal(call("ADD", {}, all))).toBeUndefined();
    }
  });

  test("the MTU of the pod's interface, of which 0 says nothing", () => {
    expect(parseRequest(call("ADD", {}, { ...CONFIG, mtu: 1400 })).config.mtu).toBe(1400);
    expect(parseRequest(call("ADD", {}, { ...CONFIG, mtu: 0 })).config).not.toHaveProperty("mtu");
  });
});

test("parseRequest() answers anything with a request or a CNI error in JSON", () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("ADD", "DEL", "CHECK", "GC", "c1", ""),
  );
  const env = fc.dictionary(fc.constantFrom("CNI_COMMAND", ...Object.keys(ENV), "CNI_ARGS"), text);
  const config = fc.oneof(
    fc.json(),
    fc.string(),
    fc
      .record({
        cniVersion: fc.constantFrom("1.1.0", "0.3.1"),
        name: text,
        prevResult: fc.jsonValue(),
        dns: fc.jsonValue(),
      })
      .map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(env, config, (variables, stdin) => {
      try {
        parseRequest({ env: variables, stdin });
      } catch (error) {
        expect(error).toBeInstanceOf(CniError);
        const { exit, stdout } = failureAnswer(error, answerVersion(stdin));
        expect(exit).toBe(1);
        expect(JSON.parse(stdout)).toMatchObject({ cniVersion: expect.any(String), code: expect.any(Number) });
      }
    }),
    { numRuns: 120 },
  );
});
