import { expect, test } from "vitest";
import { readPackage } from "../../../../tools/image/debian-root.ts";
import { sbomOf } from "../../../../tools/image/sbom.ts";

const sbom = sbomOf({
  name: "docker.io/ironbridge/ironbridge:dev",
  version: "0.1.0",
  digest: "sha256:abc",
  created: 0,
  debian: [readPackage("Package: libstdc++6\nVersion: 2:12.2.0-14+deb12u1\nArchitecture: amd64")],
  components: [{ name: "@koromix/koffi-linux-x64", version: "3.3.4", license: "MIT" }],
});

test("sbomOf() names each package so that a scanner finds it", () => {
  const { packages } = sbom as { packages: { SPDXID: string; externalRefs?: { referenceLocator: string }[] }[] };
  expect(packages.flatMap(({ externalRefs }) => externalRefs?.map((each) => each.referenceLocator) ?? [])).toEqual([
    "pkg:deb/debian/libstdc%2B%2B6@2%3A12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12",
    "pkg:npm/%40koromix/koffi-linux-x64@3.3.4",
  ]);
  for (const { SPDXID } of packages) expect(SPDXID).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/);
});

test("sbomOf() tells the image's digest and time", () => {
  expect(sbom).toMatchObject({ spdxVersion: "SPDX-2.3", creationInfo: { created: "1970-01-01T00:00:00Z" } });
  expect(sbom).toHaveProperty("documentNamespace", "https://ironbridge.io/spdx/sha256:abc");
});
