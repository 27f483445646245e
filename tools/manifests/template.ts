import { isLeaf, mapLeaves, type ValueTree } from "./value.ts";

/**
 * Stands for a value of the chart while objects are built: the same code then makes the objects of install.yaml from the
 * values and the templates of the chart from their marks.
 */
function markOf(path: readonly string[]): string {
  return `«${path.join("/")}»`;
}

/** The mark of the namespace of the release. */
export const RELEASE_NAMESPACE = markOf(["@namespace"]);

/** The mark of a sum of all that programs read when they start: another one after any change. */
export const SETTINGS_SUM = markOf(["@settings"]);

/** What marks that are no values of the chart stand for. */
const EXPRESSIONS: Readonly<Record<string, string>> = {
  "@namespace": ".Release.Namespace",
  "@settings": "list .Values.settings .Values.api | toYaml | sha256sum",
};

/** The tree of values with every value replaced by its mark. */
export function marksOf<Values>(tree: ValueTree): Values {
  return mapLeaves(tree, (_leaf, path) => markOf(path)) as Values;
}

/** YAML with marks as a Helm template. */
export function templateOf(yaml: string, tree: ValueTree): string {
  if (yaml.includes("{{")) throw new RangeError("an object holds {{, which Helm would read as a template");
  return yaml
    .split("\n")
    .map((line) => templateLine(line, tree))
    .join("\n");
}

/** `{{ if ... }}` around a template; the value decides whether it comes. */
export function onlyIf(when: string, template: string): string {
  return `{{- if ${expressionOf(when.slice(1, -1))} }}\n${template}{{- end }}\n`;
}

function templateLine(line: string, tree: ValueTree): string {
  const [, before = "", value = ""] = /^(\s*(?:- )*(?:[^\s:«»]+:|-) )(.*)$/.exec(line) ?? [];
  if (!value.includes("«")) return line;
  const whole = /^"?«([^«»]+)»"?$/.exec(value)?.[1];
  if (whole === undefined)
    return before + JSON.stringify(unquoted(value)).replaceAll(MARK, (_, path) => `{{ ${expressionOf(path)} }}`);
  const expression = expressionOf(whole);
  const fallback = fallbackOf(tree, whole);
  if (typeof fallback === "string") return `${before}{{ ${expression} | quote }}`;
  if (typeof fallback !== "object") return `${before}{{ ${expression} }}`;
  const indent = before.length - before.trimStart().length + 2;
  return `${before.trimEnd()}\n${" ".repeat(indent)}{{- toYaml ${expression} | nindent ${indent} }}`;
}

const MARK = /«([^«»]+)»/g;

function unquoted(value: string): string {
  return value.startsWith('"') ? JSON.parse(value) : value;
}

/** What gives the value in a template. Names with a dash need `index`. */
function expressionOf(path: string): string {
  const other = EXPRESSIONS[path];
  if (other !== undefined) return other;
  const names = path.split("/");
  if (!path.includes("-")) return `.Values.${names.join(".")}`;
  return `(index .Values ${names.map((name) => JSON.stringify(name)).join(" ")})`;
}

function fallbackOf(tree: ValueTree, path: string): unknown {
  if (path in EXPRESSIONS) return "";
  let at: ValueTree | undefined = tree;
  for (const name of path.split("/")) at = at === undefined || isLeaf(at) ? undefined : at[name];
  if (at === undefined || !isLeaf(at)) throw new RangeError(`the chart has no value ${path}`);
  return at.fallback;
}
