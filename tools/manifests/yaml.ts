import { Document, type DocumentOptions, isMap, isScalar, type SchemaOptions } from "yaml";
import type { Group, Manifest } from "./manifest.ts";

/** kubectl and Helm read YAML 1.1, in which a plain `on` is true: such texts get quotes. */
export const READ_AS: DocumentOptions & SchemaOptions = { compat: "yaml-1.1" };

/** One YAML document of a group, with the group's comments above the keys of `data`. */
export function printManifest(object: Manifest, { comments = {} }: Pick<Group, "comments"> = {}): string {
  const document = new Document(object, { aliasDuplicateObjects: false, ...READ_AS });
  const data = document.get("data");
  for (const { key } of isMap(data) ? data.items : []) {
    const comment = isScalar(key) ? comments[String(key.value)] : undefined;
    if (isScalar(key) && comment !== undefined) key.commentBefore = ` ${comment}`;
  }
  return document.toString({ lineWidth: 0 });
}
