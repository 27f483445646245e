import type { JsonObject } from "./json.ts";
import { type ApiResource, apiVersionOf } from "./resource.ts";

const VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/** Kubernetes' answer to /version; kubectl warns when the minor version is more than one away from its own. */
export const VERSION: JsonObject = {
  major: "1",
  minor: "32",
  gitVersion: "v1.32.0-ironbridge-lab",
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "1970-01-01T00:00:00Z",
  goVersion: "",
  compiler: "",
  platform: "linux",
};

/** "group/version", "version" for the core group, in the order the kinds come; the core group first. */
export function groupVersions(resources: readonly ApiResource[]): readonly string[] {
  return [...new Set(resources.map(apiVersionOf))];
}

/** /api */
export function coreVersions(): JsonObject {
  return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
}

/** /apis */
export function groupList(resources: readonly ApiResource[]): JsonObject {
  const groups = [...Map.groupBy(named(resources), ({ group }) => group)].map(([name, members]) =>
    apiGroup(name, members),
  );
  return { kind: "APIGroupList", apiVersion: "v1", groups };
}

/** /apis/GROUP; undefined when there is no such group. */
export function groupOf(resources: readonly ApiResource[], group: string): JsonObject | undefined {
  const members = named(resources).filter((resource) => resource.group === group);
  return members.length === 0 ? undefined : { kind: "APIGroup", apiVersion: "v1", ...apiGroup(group, members) };
}

function named(resources: readonly ApiResource[]): readonly ApiResource[] {
  return resources.filter(({ group }) => group !== "");
}

function apiGroup(name: string, members: readonly ApiResource[]): JsonObject {
  const served = [...new Set(members.map(({ version }) => version))].sort(byPreference);
  const versions = served.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions, preferredVersion: versions[0] };
}

/** The stable ones, then beta, then alpha, and of those the newest first: what Kubernetes has clients use. */
function byPreference(a: string, b: string): number {
  const [, majorA, stageA = "stable", minorA] = VERSION_NAME.exec(a) ?? [];
  const [, majorB, stageB = "stable", minorB] = VERSION_NAME.exec(b) ?? [];
  if (stageA !== stageB) return stageA < stageB ? 1 : -1; // by luck the alphabet has them in order
  return Number(majorB) - Number(majorA) || Number(minorB ?? 0) - Number(minorA ?? 0);
}

const VERSION_NAME = /^v(\d+)(?:(alpha|beta)(\d+))?$/;

/** /api/v1 and /apis/GROUP/VERSION; undefined when nothing is served there. */
export function resourceList(resources: readonly ApiResource[], groupVersion: string): JsonObject | undefined {
  const members = resources.filter((resource) => apiVersionOf(resource) === groupVersion);
  if (members.length === 0) return undefined;
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion, resources: members.flatMap(listed) };
}

function listed(resource: ApiResource): readonly JsonObject[] {
  const { plural, singular, namespaced, kind, shortNames, categories } = resource;
  const main = { name: plural, singularName: singular, namespaced, kind, verbs: VERBS, shortNames, categories };
  const parts = resource.subresources.map((part) => ({
    name: `${plural}/${part}`,
    singularName: "",
    namespaced,
    ...subresourceKind(resource, part),
    verbs: subresourceVerbs(part),
  }));
  return [main, ...parts];
}

function subresourceKind({ kind }: ApiResource, part: string): { kind: string; group?: string; version?: string } {
  if (part === "scale") return { group: "autoscaling", version: "v1", kind: "Scale" };
  return { kind: part === "binding" ? "Binding" : kind };
}

function subresourceVerbs(part: string): readonly string[] {
  if (part === "log") return ["get"];
  return part === "binding" ? ["create"] : ["get", "patch", "update"];
}

/** The aggregated form of /api ("core") and /apis ("named"): every group with its kinds in one answer. */
export function aggregated(all: readonly ApiResource[], groups: "core" | "named", apiVersion: string): JsonObject {
  const members = all.filter(({ group }) => (group === "") === (groups === "core"));
  const items = [...Map.groupBy(members, ({ group }) => group)].map(([name, ofGroup]) => ({
    metadata: { name, creationTimestamp: null },
    versions: [...Map.groupBy(ofGroup, ({ version }) => version)]
      .sort(([a], [b]) => byPreference(a, b))
      .map(([version, ofVersion]) => ({
        version,
        freshness: "Current",
        resources: ofVersion.map(aggregatedResource),
      })),
  }));
  return { kind: "APIGroupDiscoveryList", apiVersion, metadata: {}, items };
}

function aggregatedResource(resource: ApiResource): JsonObject {
  const { group, version, kind, plural, singular, namespaced, shortNames, categories } = resource;
  return {
    resource: plural,
    responseKind: { group, version, kind },
    scope: namespaced ? "Namespaced" : "Cluster",
    singularResource: singular,
    verbs: VERBS,
    shortNames,
    categories,
    subresources: resource.subresources.map((part) => ({
      subresource: part,
      responseKind: { group, version, ...subresourceKind(resource, part) },
      verbs: subresourceVerbs(part),
    })),
  };
}
