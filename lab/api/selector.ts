import { type ApiObject, at } from "./json.ts";
import { badRequest } from "./refusal.ts";
import type { ApiResource } from "./resource.ts";

/** True for the objects a selector picks. */
export type Selector = (object: ApiObject) => boolean;

type Labels = Readonly<Record<string, string>>;
type LabelTest = (labels: Labels) => boolean;

/**
 * The label selector of a list or watch: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, `a>1`, `a<9`.
 * @throws {Refusal} 400 when it can't be read.
 */
export function parseLabelSelector(text: string): Selector {
  const tests = splitTerms(text).map(parseLabelTerm);
  return ({ metadata }) => tests.every((test) => test(metadata.labels ?? {}));
}

/** Splits at the commas outside of parentheses. */
function splitTerms(text: string): readonly string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter((term) => term !== "");
}

const LABEL_KEY = "[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?(/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?";
const SET_TERM = new RegExp(`^(?<key>${LABEL_KEY})\\s+(?<operator>in|notin)\\s*\\((?<values>[^()]*)\\)$`);
const VALUE_TERM = new RegExp(`^(?<key>${LABEL_KEY})\\s*(?<operator>==|=|!=|>|<)\\s*(?<value>[-A-Za-z0-9_.]*)$`);
const EXISTS_TERM = new RegExp(`^(?<not>!?)\\s*(?<key>${LABEL_KEY})$`);

function parseLabelTerm(term: string): LabelTest {
  const set = SET_TERM.exec(term)?.groups;
  if (set !== undefined) {
    const values = new Set(set.values!.split(",").map((value) => value.trim()));
    const isIn: LabelTest = (labels) => labels[set.key!] !== undefined && values.has(labels[set.key!]!);
    return set.operator === "in" ? isIn : (labels) => !isIn(labels);
  }
  const compared = VALUE_TERM.exec(term)?.groups;
  if (compared !== undefined) return labelComparison(compared.key!, compared.operator!, compared.value!);
  const exists = EXISTS_TERM.exec(term)?.groups;
  if (exists !== undefined) return (labels) => (labels[exists.key!] !== undefined) === (exists.not === "");
  throw badRequest(`unable to parse requirement: ${term}`);
}

function labelComparison(key: string, operator: string, value: string): LabelTest {
  switch (operator) {
    case "!=":
      return (labels) => labels[key] !== value;
    case ">":
      return (labels) => labels[key] !== undefined && Number(labels[key]) > Number(value);
    case "<":
      return (labels) => labels[key] !== undefined && Number(labels[key]) < Number(value);
    default:
      return (labels) => labels[key] === value;
  }
}

/**
 * The field selector of a list or watch: `path=value`, `path==value`, `path!=value`, joined by commas. A field that is
 * not set compares as "".
 * @throws {Refusal} 400 for a path this kind can't be selected by.
 */
export function parseFieldSelector(text: string, resource: ApiResource): Selector {
  const tests = splitTerms(text).map((term): Selector => {
    const parts = /^(?<path>[^=!]+)(?<operator>==|=|!=)(?<value>.*)$/.exec(term)?.groups;
    if (parts === undefined) throw badRequest(`invalid field selector: ${term}`);
    const path = parts.path!.trim();
    if (path !== "metadata.name" && path !== "metadata.namespace" && !resource.selectableFields.includes(path)) {
      throw badRequest(`field label not supported: ${path}`);
    }
    const fields = path.split(".");
    const wanted = parts.value!.trim();
    const equal: Selector = (object) => String(at(object, ...fields) ?? "") === wanted;
    return parts.operator === "!=" ? (object) => !equal(object) : equal;
  });
  return (object) => tests.every((test) => test(object));
}
