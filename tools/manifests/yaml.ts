import { Document, isMap, isScalar } from "yaml";
import type { Group, Manifest } from "./manifest.ts";

/** One YAML document of a group, with the group's comments above the keys of `data`. */
export function printManifest(object: Manifest, { comments = {} }: Pick<Group, "comments"> = {}): string {
  const document = new Document(object, { aliasDuplicateObjects: false });
  const data = document.get("data");
  for (const { key } of isMap(data) ? data.items : []) {
    const comment = isScalar(key) ? comments[String(key.value)] : undefined;
    if (isScalar(key) && comment !== undefined) key.commentBefore = ` ${comment}`;
  }
  return document.toString({ lineWidth: 0 });
}
