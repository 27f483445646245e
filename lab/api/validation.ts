import { type ApiObject, type Json, listAt, objectAt, textAt } from "./json.ts";
import type { FieldError } from "./refusal.ts";
import type { ApiResource } from "./resource.ts";

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const RFC_1035_LABEL = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

export function isDnsLabel(text: string): boolean {
  return text.length <= 63 && LABEL.test(text);
}

export function required(field: string): FieldError {
  return { field, reason: "FieldValueRequired", message: "Required value" };
}

export function invalidValue(field: string, value: Json, why: string): FieldError {
  return { field, reason: "FieldValueInvalid", message: `Invalid value: ${JSON.stringify(value)}: ${why}` };
}

export function oneOf(field: string, value: Json | undefined, values: readonly string[]): readonly FieldError[] {
  if (value === undefined) return [required(field)];
  if (typeof value === "string" && values.includes(value)) return [];
  const supported = values.map((text) => JSON.stringify(text)).join(", ");
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported}`;
  return [{ field, reason: "FieldValueNotSupported", message }];
}

/** What is wrong with the metadata of any object. */
export function metadataErrors(resource: ApiResource, { metadata }: ApiObject): readonly FieldError[] {
  return [...nameErrors(resource, metadata.name), ...labelErrors(metadata.labels ?? {}, "metadata.labels")];
}

function nameErrors(resource: ApiResource, name: string): readonly FieldError[] {
  switch (resource.strategy.nameForm ?? "subdomain") {
    case "any":
      return name.includes("/") || name === "." || name === ".."
        ? [invalidValue("metadata.name", name, "may not contain '/'")]
        : [];
    case "label":
      return name.length <= 63 && RFC_1035_LABEL.test(name)
        ? []
        : [
            invalidValue(
              "metadata.name",
              name,
              "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
            ),
          ];
    case "subdomain":
      return name.length <= 253 && SUBDOMAIN.test(name)
        ? []
        : [
            invalidValue(
              "metadata.name",
              name,
              "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            ),
          ];
  }
}

function labelErrors(labels: Readonly<Record<string, string>>, path: string): readonly FieldError[] {
  return Object.entries(labels).flatMap(([key, value]) => {
    const errors: FieldError[] = [];
    if (!LABEL_KEY.test(key))
      errors.push(invalidValue(path, key, "name part must consist of alphanumeric characters, '-', '_' or '.'"));
    if (typeof value !== "string" || value.length > 63 || !LABEL_VALUE.test(value)) {
      errors.push(
        invalidValue(
          path,
          value,
          "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character, and be at most 63 characters",
        ),
      );
    }
    return errors;
  });
}

/** A workload's selector exists, is not empty, and picks the Pods of its own template. */
export function workloadErrors(workload: ApiObject): readonly FieldError[] {
  const wanted = Object.entries(objectAt(workload, "spec", "selector", "matchLabels"));
  const labels = objectAt(workload, "spec", "template", "metadata", "labels");
  const errors: FieldError[] = [];
  if (wanted.length === 0 && listAt(workload, "spec", "selector", "matchExpressions").length === 0) {
    errors.push(required("spec.selector"));
  }
  if (!wanted.every(([key, value]) => labels[key] === value)) {
    const why = "`selector` does not match template `labels`";
    errors.push(invalidValue("spec.template.metadata.labels", labels, why));
  }
  return [...errors, ...podSpecErrors(workload, "spec", "template", "spec")];
}

export function podErrors(pod: ApiObject): readonly FieldError[] {
  return podSpecErrors(pod, "spec");
}

function podSpecErrors(object: ApiObject, ...path: readonly string[]): readonly FieldError[] {
  const containers = listAt(object, ...path, "containers");
  const place = `${path.join(".")}.containers`;
  if (containers.length === 0) return [required(place)];
  return containers.flatMap((container, i) => {
    const errors: FieldError[] = [];
    const name = textAt(container, "name");
    if (name === undefined || name === "") errors.push(required(`${place}[${i}].name`));
    else if (!isDnsLabel(name)) {
      errors.push(
        invalidValue(
          `${place}[${i}].name`,
          name,
          "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'",
        ),
      );
    }
    if (!textAt(container, "image")) errors.push(required(`${place}[${i}].image`));
    return errors;
  });
}
