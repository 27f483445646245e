import { describe, expect, test } from "vitest";
import { IronbridgeError, silentLog } from "../../../core/mod.ts";
import {
  applyConntrackSettings,
  type ConntrackChoices,
  type ConntrackSetting,
  conntrackSettings,
  isTcpLiberal,
} from "../../../proxy/conntrack-settings.ts";
import { type Kernel, kernelOf } from "../../../proxy/mod.ts";

/** kube-proxy's. */
const DEFAULTS: ConntrackChoices = {
  maxPerCore: 32_768,
  min: 131_072,
  tcpTimeoutEstablished: 86_400_000,
  tcpTimeoutCloseWait: 3_600_000,
  udpTimeout: 0,
  udpTimeoutStream: 0,
  tcpBeLiberal: false,
};
const TIMES = { nf_conntrack_tcp_timeout_established: 86_400, nf_conntrack_tcp_timeout_close_wait: 3600 };

describe("isTcpLiberal()", () => {
  test.each([
    ["the node is", "1", DEFAULTS, true],
    ["the node is not", "0", DEFAULTS, false],
    ["the node is going to be", "0", { ...DEFAULTS, tcpBeLiberal: true }, true],
    ["nobody chose, and the node is", "1", undefined, true],
    ["connections are not tracked yet", undefined, undefined, false],
  ] as const)("%s", (_, value, choices, want) => {
    expect(isTcpLiberal({ ...kernelOf(), readSysctl: () => value }, choices)).toBe(want);
  });
});

describe("conntrackSettings()", () => {
  const cases: { name: string; choices: Partial<ConntrackChoices>; cores: number; want: Record<string, number> }[] = [
    {
      name: "has at least the least",
      choices: {},
      cores: 2,
      want: { nf_conntrack_max: 131_072, nf_conntrack_buckets: 32_768, ...TIMES },
    },
    {
      name: "grows with the CPUs",
      choices: {},
      cores: 64,
      want: { nf_conntrack_max: 2_097_152, nf_conntrack_buckets: 524_288, ...TIMES },
    },
    { name: "leaves the size alone", choices: { maxPerCore: 0 }, cores: 64, want: TIMES },
    {
      name: "leaves every time alone",
      choices: { maxPerCore: 0, tcpTimeoutEstablished: 0, tcpTimeoutCloseWait: 0 },
      cores: 2,
      want: {},
    },
    {
      name: "sets all there is",
      choices: { maxPerCore: 0, udpTimeout: 30_000, udpTimeoutStream: 120_500, tcpBeLiberal: true },
      cores: 2,
      want: {
        ...TIMES,
        nf_conntrack_udp_timeout: 30,
        nf_conntrack_udp_timeout_stream: 120,
        nf_conntrack_tcp_be_liberal: 1,
      },
    },
  ];
  test.each(cases)("$name", ({ choices, cores, want }) => {
    const settings = conntrackSettings({ ...DEFAULTS, ...choices }, cores);
    expect(Object.fromEntries(settings.map(({ name, value }) => [name, value]))).toEqual(want);
  });
});

describe("applyConntrackSettings()", () => {
  const most: ConntrackSetting = { name: "nf_conntrack_max", value: 131_072, rule: "most" };
  const time: ConntrackSetting = { name: "nf_conntrack_tcp_timeout_established", value: 86_400, rule: "exactly" };

  function apply(before: Record<string, string>, settings: readonly ConntrackSetting[], readOnly = "") {
    const values = new Map(Object.entries(before).map(([name, value]) => [`net/netfilter/${name}`, value]));
    const kernel: Kernel = {
      ...kernelOf(),
      readSysctl: (key) => values.get(key),
      writeSysctl: (key, value) => {
        if (key.endsWith(readOnly) && readOnly !== "") throw new IronbridgeError("IB_KERNEL_REFUSED", `${key}: EROFS`);
        values.set(key, value);
      },
    };
    const warnings: unknown[] = [];
    const log = { ...silentLog(), warn: (fields: unknown) => void warnings.push(fields) };
    applyConntrackSettings(kernel, settings, log as unknown as ReturnType<typeof silentLog>);
    return { values: Object.fromEntries([...values].map(([key, value]) => [key.split("/")[2], value])), warnings };
  }

  const cases: { name: string; before: Record<string, string>; want: Record<string, string> }[] = [
    {
      name: "raises the size, lowers a time",
      before: { nf_conntrack_max: "65536", nf_conntrack_tcp_timeout_established: "432000" },
      want: { nf_conntrack_max: "131072", nf_conntrack_tcp_timeout_established: "86400" },
    },
    { name: "never lowers the size", before: { nf_conntrack_max: "262144" }, want: { nf_conntrack_max: "262144" } },
    { name: "passes over what the kernel does not have", before: {}, want: {} },
  ];
  test.each(cases)("$name", ({ before, want }) => {
    expect(apply(before, [most, time])).toEqual({ values: want, warnings: [] });
  });

  test("tells once what the node refuses, and sets the rest", () => {
    const before = { nf_conntrack_max: "1", nf_conntrack_tcp_timeout_established: "1" };
    const { values, warnings } = apply(before, [most, time], "nf_conntrack_max");
    expect(values).toEqual({ nf_conntrack_max: "1", nf_conntrack_tcp_timeout_established: "86400" });
    expect(warnings).toEqual([
      expect.objectContaining({ event: "proxy.conntrack.refused", settings: ["nf_conntrack_max=131072"] }),
    ]);
  });
});
