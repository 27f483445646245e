import type { DebianPackage } from "./debian-root.ts";

/** An npm package in the image. */
export interface Component {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression, as package.json has it. */
  readonly license?: string;
}

export interface SbomInput {
  /** Of the image, with registry and tag. */
  readonly name: string;
  readonly version: string;
  /** Of the image's manifest. */
  readonly digest: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly debian: readonly DebianPackage[];
  readonly components: readonly Component[];
}

/** A document of SPDX 2.3 in JSON. */
export type Sbom = Readonly<Record<string, unknown>>;

const IMAGE_ID = "SPDXRef-image";

/**
 * Lists what an image is made of. Node is the npm package node-linux-*, of Node's own version.
 * @see https://spdx.github.io/spdx-spec/v2.3/ and https://github.com/package-url/purl-spec
 */
export function sbomOf({ name, version, digest, created, debian, components }: SbomInput): Sbom {
  const packages = [
    ...debian.map((each) => entry({ ...each, type: "deb", purl: debianPurl(each) })),
    ...components.map((each) => entry({ ...each, type: "npm", purl: npmPurl(each) })),
  ];
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name,
    documentNamespace: `https://ironbridge.io/spdx/${digest}`,
    creationInfo: {
      created: new Date(created * 1000).toISOString().replace(".000", ""),
      creators: ["Tool: ironbridge"],
    },
    packages: [
      {
        SPDXID: IMAGE_ID,
        name,
        versionInfo: version,
        downloadLocation: "NOASSERTION",
        licenseDeclared: "Apache-2.0",
        checksums: [{ algorithm: "SHA256", checksumValue: digest.replace("sha256:", "") }],
      },
      ...packages,
    ],
    relationships: [
      relation("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE_ID),
      ...packages.map(({ SPDXID }) => relation(IMAGE_ID, "CONTAINS", SPDXID)),
    ],
  };
}

function entry(each: Component & { readonly type: string; readonly purl: string }) {
  return {
    // SPDX 2.3 section 7.2: letters, digits, "." and "-" only.
    SPDXID: `SPDXRef-${each.type}-${each.name}-${each.version}`.replace(/[^A-Za-z0-9.-]/g, "-"),
    name: each.name,
    versionInfo: each.version,
    downloadLocation: "NOASSERTION",
    licenseDeclared: each.license ?? "NOASSERTION",
    externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: each.purl }],
  };
}

function relation(from: string, relationshipType: string, to: string) {
  return { spdxElementId: from, relationshipType, relatedSpdxElement: to };
}

function debianPurl({ name, version, architecture }: DebianPackage): string {
  return `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}&distro=debian-12`;
}

function npmPurl({ name, version }: Component): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}
