import { z } from "zod";

/** One value that users of the Helm chart may set, or a group of them. */
export type ValueTree = Leaf<unknown> | { readonly [name: string]: ValueTree };

export interface Leaf<T> {
  /** The comment above it in values.yaml. */
  readonly help: string;
  readonly schema: z.ZodType<T>;
  readonly fallback: T;
}

/** The values themselves, in the shape of their tree. */
export type ValuesOf<Tree> = Tree extends Leaf<infer T> ? T : { readonly [Name in keyof Tree]: ValuesOf<Tree[Name]> };

export function leaf<T>(help: string, schema: z.ZodType<T>, fallback: NoInfer<T>): Leaf<T> {
  return { help, schema, fallback };
}

export function isLeaf(tree: ValueTree): tree is Leaf<unknown> {
  return "schema" in tree && tree.schema instanceof z.ZodType;
}

/** What the tree is when nobody sets anything. */
export function defaultsOf<Tree extends ValueTree>(tree: Tree): ValuesOf<Tree> {
  return mapLeaves(tree, ({ fallback }) => fallback) as ValuesOf<Tree>;
}

/** The tree with every leaf replaced by what `give` says of it; `path` is the leaf's names from the root on. */
export function mapLeaves(
  tree: ValueTree,
  give: (leaf: Leaf<unknown>, path: readonly string[]) => unknown,
  path: readonly string[] = [],
): unknown {
  if (isLeaf(tree)) return give(tree, path);
  return Object.fromEntries(
    Object.entries(tree).map(([name, branch]) => [name, mapLeaves(branch, give, [...path, name])]),
  );
}

/** JSON schema of the tree. Names that are not in it are refused: a typing mistake is told at once. */
export function valuesSchema(tree: ValueTree): object {
  if (!isLeaf(tree)) {
    const properties = Object.entries(tree).map(([name, branch]) => [name, valuesSchema(branch)]);
    return { type: "object", additionalProperties: false, properties: Object.fromEntries(properties) };
  }
  const { $schema: _, ...schema } = z.toJSONSchema(tree.schema, { target: "draft-7" });
  return { description: tree.help, ...schema };
}
