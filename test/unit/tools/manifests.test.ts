import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { AGENT_OPTIONS, CONTROLLER_OPTIONS, flagsOf } from "../../../config/mod.ts";
import { chartFiles, installedObjects, type Manifest, printInstall, withTables } from "../../../tools/manifests/mod.ts";
import { templateOf } from "../../../tools/manifests/template.ts";
import { leaf } from "../../../tools/manifests/value.ts";

interface PodSpec {
  readonly hostNetwork?: boolean;
  readonly securityContext?: { readonly runAsNonRoot?: boolean; readonly runAsUser?: number };
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes?: readonly { readonly name: string }[];
}
interface Container {
  readonly name: string;
  readonly env?: readonly { readonly name: string }[];
  readonly volumeMounts?: readonly { readonly name: string }[];
  readonly securityContext: {
    readonly privileged?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly capabilities: { readonly drop: readonly string[]; readonly add?: readonly string[] };
  };
}

const objects = installedObjects();
function podOf(kind: string): PodSpec {
  const workload = objects.find((object) => object.kind === kind) as Manifest & {
    readonly spec: { readonly template: { readonly spec: PodSpec } };
  };
  return workload.spec.template.spec;
}
const containersOf = ({ initContainers = [], containers }: PodSpec) => [...initContainers, ...containers];

describe("installedObjects()", () => {
  test("begins with the namespace and the kinds that other objects need", () => {
    expect(objects.slice(0, 3).map(({ kind }) => kind)).toEqual([
      "Namespace",
      "CustomResourceDefinition",
      "CustomResourceDefinition",
    ]);
  });

  test("names every object once", () => {
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
  });

  test("gives no container more than it needs: never privileged, never a writable root", () => {
    for (const pod of [podOf("DaemonSet"), podOf("Deployment")]) {
      for (const { securityContext } of containersOf(pod)) {
        expect(securityContext.privileged).toBeUndefined();
        expect(securityContext.readOnlyRootFilesystem).toBe(true);
        expect(securityContext.capabilities.drop).toEqual(["ALL"]);
      }
    }
    const added = containersOf(podOf("DaemonSet")).map(({ name, securityContext }) => [
      name,
      securityContext.capabilities.add,
    ]);
    expect(added).toEqual([
      ["find-api-server", undefined],
      ["load-modules", ["SYS_MODULE"]],
      ["agent", ["NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_NICE"]],
    ]);
    expect(podOf("Deployment").securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 65532 });
  });

  test("shows the kubelet's files to the init container only", () => {
    const { initContainers = [], containers } = podOf("DaemonSet");
    const mounts = (container: Container) => container.volumeMounts?.map(({ name }) => name) ?? [];
    const readers = [...initContainers, ...containers].filter((container) => mounts(container).includes("kubelet"));
    expect(readers.map(({ name }) => name)).toEqual(["find-api-server"]);
  });

  test("mounts every volume, and only volumes that there are", () => {
    const pod = podOf("DaemonSet");
    const mounted = containersOf(pod).flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name));
    expect([...new Set(mounted)].sort()).toEqual((pod.volumes ?? []).map(({ name }) => name).sort());
  });

  test.each([
    ["DaemonSet", AGENT_OPTIONS, ["kubeconfig", "member-key-file", "state-dir", "run-dir"]],
    ["Deployment", CONTROLLER_OPTIONS, ["allocate-node-cidrs", "kubeconfig"]],
  ])(
    "gives the container of the %s a variable for every flag but those that are right as they are",
    (kind, table, without) => {
      const given = podOf(kind).containers.flatMap(({ env = [] }) => env.map(({ name }) => name));
      const missing = flagsOf(table).filter(({ variable }) => !given.includes(variable));
      expect(missing.map(({ name }) => name).sort()).toEqual([...without].sort());
    },
  );
});

describe("printInstall()", () => {
  test("is YAML that holds exactly the objects", () => {
    const documents = parseAllDocuments(printInstall()).map((document) => document.toJS());
    expect(documents).toEqual(JSON.parse(JSON.stringify(objects)));
  });

  test("means the same to kubectl, which reads YAML 1.1", () => {
    const documents = parseAllDocuments(printInstall(), { version: "1.1" }).map((document) => document.toJS());
    expect(documents).toEqual(JSON.parse(JSON.stringify(objects)));
  });

  test("says above every key of the ConfigMap what it means", () => {
    const data = /kind: ConfigMap\n.*?\ndata:\n(.*?)---/s.exec(printInstall())?.[1] ?? "";
    const lines = data.trimEnd().split("\n");
    expect(lines.length).toBeGreaterThan(4);
    for (const [i, line] of lines.entries()) expect(line).toMatch(i % 2 === 0 ? /^ {2}# \S/ : /^ {2}[a-z0-9-]+: /);
  });
});

describe("templateOf()", () => {
  const tree = {
    image: { name: leaf("", z.string(), "x"), port: leaf("", z.number(), 1) },
    "with-dash": { on: leaf("", z.boolean(), true), labels: leaf("", z.record(z.string(), z.string()), {}) },
  };
  test.each([
    ["a: «image/name»", "a: {{ .Values.image.name | quote }}"],
    ["  - b: «image/port»", "  - b: {{ .Values.image.port }}"],
    ["c: «image/name»:«image/port»", 'c: "{{ .Values.image.name }}:{{ .Values.image.port }}"'],
    ["d: «with-dash/on»", 'd: {{ (index .Values "with-dash" "on") }}'],
    ["  e: «with-dash/labels»", '  e:\n    {{- toYaml (index .Values "with-dash" "labels") | nindent 4 }}'],
    ["f: «@namespace»", "f: {{ .Release.Namespace | quote }}"],
    [
      "  checksum/config: «@settings»",
      "  checksum/config: {{ list .Values.settings .Values.api | toYaml | sha256sum | quote }}",
    ],
    ["g: nothing", "g: nothing"],
  ])("turns %s into a template", (yaml, template) => {
    expect(templateOf(yaml, tree)).toBe(template);
  });

  test("refuses what Helm would take for a template, and values that there are not", () => {
    expect(() => templateOf("a: {{ b }}", tree)).toThrowError("{{");
    expect(() => templateOf("a: «image/tag»", tree)).toThrowError("the chart has no value image/tag");
  });
});

test("chartFiles() leaves no mark behind", () => {
  for (const text of Object.values(chartFiles("1.2.3"))) expect(text).not.toMatch(/[«»]/);
});

test("chartFiles() lets the controller change nodes only where it gives them their prefixes", () => {
  const files = chartFiles("1.2.3");
  const role = files["templates/node-cidrs-rbac.yaml"] ?? "";
  expect(role).toMatch(
    /^# [^\n]*\n\{\{- if \.Values\.controller\.allocateNodeCidrs \}\}\n.*- nodes\n {4}verbs:\n {6}- patch\n/s,
  );
  expect(files["templates/controller.yaml"]).toContain("hostNetwork: {{ .Values.controller.allocateNodeCidrs }}\n");
  expect(objects.filter(({ metadata }) => metadata.name.endsWith("node-cidrs"))).toEqual([]);
  expect(podOf("Deployment")).toMatchObject({ hostNetwork: false });
});

test("withTables() refuses a page without the places for the tables", () => {
  expect(() => withTables("# Install\n")).toThrowError("no marks <!-- settings -->");
});
