import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { parseLdd } from "../../cluster/image/shared-library.ts";
import { ironbridgeManifest } from "../../cluster/install.ts";
import { CHECKOUT } from "../../cluster/plan.ts";
import { printUnit } from "../../cluster/unit.ts";
import { IRONBRIDGE, ironbridgeParts, parseVariant, REFERENCE } from "../../cluster/variant.ts";

describe("printUnit()", () => {
  test("quotes every word for the shell", () => {
    expect(printUnit({ name: "x", program: "/bin/echo", args: ["a b", "it's"] })).toBe(
      "#!/bin/sh\nexec '/bin/echo' \\\n  'a b' \\\n  'it'\\''s'\n",
    );
  });
});

describe("parseLdd()", () => {
  test("gives the libraries and the dynamic linker", () => {
    const text = `	linux-vdso.so.1 (0x00007ffc)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f00)
	/lib64/ld-linux-x86-64.so.2 (0x00007f10)
`;
    expect(parseLdd(text)).toEqual(["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
  });
});

describe("parseVariant()", () => {
  test("is Ironbridge in all parts when nothing is said", () => expect(parseVariant({})).toEqual(IRONBRIDGE));

  test("refuses what is no choice, and names the choices", () => {
    expect(() => parseVariant({ cni: "flannel" })).toThrow("--cni flannel: want one of ironbridge, reference");
  });

  test("refuses a tunnel without Ironbridge's pod network", () => {
    const values = { cni: "reference", "routing-mode": "vxlan" };
    expect(() => parseVariant(values)).toThrow("--routing-mode vxlan: --cni reference has static routes only");
  });
});

describe("ironbridgeManifest()", () => {
  test("is install.yaml as it is when nothing is asked of it, in both families too", () => {
    const text = readFileSync(CHECKOUT.installManifest, "utf8");
    expect(ironbridgeManifest(IRONBRIDGE)).toBe(text);
    expect(ironbridgeManifest({ ...IRONBRIDGE, ipFamilies: "dual" })).toBe(text);
  });

  test("sets in the ConfigMap what a variant decides, and nothing else", () => {
    const variant = { ...IRONBRIDGE, proxyMode: "iptables", routingMode: "vxlan" } as const;
    const [before, after] = [IRONBRIDGE, variant].map((each) => settingsIn(ironbridgeManifest(each)));
    expect(after).toEqual({ ...before, "proxy-mode": "iptables", "routing-mode": "vxlan" });
  });
});

function settingsIn(text: string): object {
  const documents = parseAllDocuments(text).map((document) => document.toJS() ?? {});
  return documents.find(({ kind, metadata }) => kind === "ConfigMap" && metadata.name === "ironbridge").data;
}

describe("ironbridgeParts()", () => {
  test("are all parts that nobody else does", () => {
    expect(ironbridgeParts(IRONBRIDGE)).toEqual(["speaker", "proxy", "cni"]);
    expect(ironbridgeParts({ ...IRONBRIDGE, serviceProxy: "kube-proxy" })).toEqual(["speaker", "cni"]);
    expect(ironbridgeParts(REFERENCE)).toEqual([]);
  });
});
