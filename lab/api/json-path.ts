import { isList, isObject, type Json } from "./json.ts";

type Step = (value: Json) => readonly Json[];

/**
 * Compiles a simple JSONPath of a printer column: `.a.b`, `['a.b']`, `.a\.b`, `[0]`, `[*]`, `[?(@.type=="Ready")]`.
 * The result gives every value found, in order; nothing for a path that can't be read.
 */
export function compileJsonPath(path: string): (value: Json) => readonly Json[] {
  const steps = [...path.replace(/^\{(.*)\}$/, "$1").matchAll(TOKEN)].map(({ groups }) => step(groups ?? {}));
  return (value) => steps.reduce<readonly Json[]>((found, one) => found.flatMap(one), [value]);
}

const TOKEN =
  /\.(?<field>(?:[^.[\]\\]|\\.)+)|\[(?<index>-?\d+)\]|\[(?<all>\*)\]|\[['"](?<quoted>[^'"]+)['"]\]|\[\?\(@\.(?<key>[^=!\s]+)\s*(?<operator>==|!=)\s*['"]?(?<wanted>[^'")]*)['"]?\)\]/g;

function step(token: Readonly<Record<string, string | undefined>>): Step {
  const { index, all, key, operator, wanted } = token;
  const field = token.quoted ?? token.field?.replace(/\\(.)/g, "$1");
  if (field !== undefined && field !== "*") return (value) => present(isObject(value) ? value[field] : undefined);
  if (index !== undefined) return (value) => present(isList(value) ? value.at(Number(index)) : undefined);
  if (all !== undefined || field === "*")
    return (value) => (isList(value) ? value : isObject(value) ? values(value) : []);
  const inner = compileJsonPath(`.${key}`);
  return (value) =>
    (isList(value) ? value : []).filter((item) => (String(inner(item)[0] ?? "") === wanted) === (operator === "=="));
}

function values(value: Readonly<Record<string, Json | undefined>>): readonly Json[] {
  return Object.values(value).filter((item) => item !== undefined);
}

function present(value: Json | undefined): readonly Json[] {
  return value === undefined ? [] : [value];
}
