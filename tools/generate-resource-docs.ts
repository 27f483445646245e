// Writes docs/resources.md from the descriptions in config/. With --check it writes nothing and exits 1 when it differs.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crdOf, KINDS } from "../config/mod.ts";

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

interface Crd {
  readonly spec: {
    readonly names: { readonly kind: string };
    readonly versions: readonly {
      readonly name: string;
      readonly storage: boolean;
      readonly schema: { readonly openAPIV3Schema: Schema };
    }[];
  };
}

const HEAD = `# Resources

Group \`metallb.io\`, all namespaced. Written by \`node tools/generate-resource-docs.ts\` from the schemas in config/.
A label selector has \`matchLabels\` and \`matchExpressions\`, as everywhere in Kubernetes; of a list of selectors one must
match. Mistakes are told as a condition \`Valid\` with status False on the object, as an event, and by the webhook.
`;

const file = join(import.meta.dirname, "../docs/resources.md");
const text = `${HEAD}${KINDS.map(({ resource, kind }) => sectionOf(crdOf(resource, kind) as Crd)).join("")}`;
if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
  if (process.argv.includes("--check")) {
    console.error(`${file} is not what config/ says; run: node tools/generate-resource-docs.ts`);
    process.exitCode = 1;
  } else writeFileSync(file, text);
}

function sectionOf({ spec }: Crd): string {
  const stored = spec.versions.find(({ storage }) => storage)!;
  const others = spec.versions.filter(({ storage }) => !storage).map(({ name }) => name);
  const schema = stored.schema.openAPIV3Schema;
  const versions = others.length === 0 ? stored.name : `${stored.name}, and still ${others.join(", ")}`;
  const parts = ["spec", "status"].flatMap((part) => rowsOf(part, schema.properties?.[part] ?? {}));
  const rows = parts.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
  return `\n## ${spec.names.kind}\n${schema.description} Version ${versions}.\n\n| Field | Type | Default | Meaning |\n| --- | --- | --- | --- |\n${rows}`;
}

/** One row for each field below `path`; selectors and conditions are described once, above. */
function rowsOf(path: string, schema: Schema): readonly (readonly string[])[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const list = field.type === "array";
    const own = `${path}.${name}${list ? "[]" : ""}`;
    const inner = list ? (field.items ?? {}) : field;
    const row = [
      `\`${own}\`${schema.required?.includes(name) ? " (required)" : ""}`,
      typeOf(inner),
      field.default === undefined ? "" : `\`${field.default}\``,
      (field.description ?? inner.description ?? "").replaceAll("|", "\\|"),
    ];
    const known = isSelector(inner) || name === "conditions";
    return [row, ...(known ? [] : rowsOf(own, inner))];
  });
}

function typeOf(schema: Schema): string {
  if (isSelector(schema)) return "label selector";
  if (schema.enum !== undefined) return schema.enum.map((each) => `\`${each}\``).join(" or ");
  const bounds = [schema.minimum, schema.maximum].map((bound) => bound ?? "");
  return bounds.join("") === "" ? (schema.type ?? "") : `${schema.type} ${bounds.join("..")}`;
}

function isSelector({ properties = {} }: Schema): boolean {
  return "matchLabels" in properties && "matchExpressions" in properties;
}
