import { describe, expect, test } from "vitest";
import { architectureOf } from "../../../../tools/image/architecture.ts";
import { imageLayers } from "../../../../tools/image/contents.ts";
import { readPackage } from "../../../../tools/image/debian-root.ts";

const libc = readPackage("Package: libc6\nArchitecture: arm64\nVersion: 2.36-9+deb12u14\nDescription: GNU C\n library");
const layersFor = (node: string) =>
  imageLayers({
    root: "/checkout",
    architecture: architectureOf(node),
    debian: { directory: "/debian", packages: [libc] },
    programs: [{ path: "cli/main.js", content: Buffer.from("main") }],
  });

describe("imageLayers()", () => {
  test("are Debian, Node with its library, the programs", () => {
    const [debian = [], node = [], programs = []] = layersFor("x64");
    expect(debian).toContainEqual({ to: "/", from: "/debian" });
    expect(debian).toContainEqual({ to: "/var/lib/dpkg/status.d/libc6", content: libc.control });
    expect(node.map(({ to }) => to)).toContain("/usr/local/bin/node");
    expect(programs.map(({ to }) => to)).toContain("/opt/ironbridge/cli/main.js");
  });

  test("differ between processors only in names", () => {
    const renamed = JSON.stringify(layersFor("x64")).replaceAll("x64", "arm64");
    expect(renamed).toBe(JSON.stringify(layersFor("arm64")));
  });
});

describe("readPackage()", () => {
  test("takes name, version and processor", () => {
    expect(libc).toMatchObject({ name: "libc6", version: "2.36-9+deb12u14", architecture: "arm64" });
  });

  test("refuses a paragraph without a version", () => {
    expect(() => readPackage("Package: libc6\nArchitecture: all")).toThrowError(/no field Version/);
  });
});
