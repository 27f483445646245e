import type { Flag } from "../../config/mod.ts";
import { ALL_FLAGS, API_KEYS, API_SETTINGS, SETTINGS } from "./setting.ts";

/** One environment variable of a container. */
export interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: object;
}

/** The variable of a flag, with a value of its own. */
export function fixed(flag: string, value: string): Variable {
  return { name: variableOf(flag), value };
}

/** The variable of a flag, from a field of the pod itself. */
export function fromPod(flag: string, fieldPath: string): Variable {
  return { name: variableOf(flag), valueFrom: { fieldRef: { fieldPath } } };
}

/** The variables of settings: each from the key of the ConfigMap, if the ConfigMap and the key are there. */
export function fromSettings(flags: readonly Flag[]): readonly Variable[] {
  return flags.map(({ name }) => fromConfigMap(name, SETTINGS, name));
}

/** The variables that the ConfigMap ironbridge-api sets. */
export function fromApiSettings(): readonly Variable[] {
  return Object.entries(API_KEYS).map(([flag, key]) => fromConfigMap(flag, API_SETTINGS, key));
}

function fromConfigMap(flag: string, name: string, key: string): Variable {
  return { name: variableOf(flag), valueFrom: { configMapKeyRef: { name, key, optional: true } } };
}

function variableOf(name: string): string {
  const flag = ALL_FLAGS.find((each) => each.name === name);
  if (flag === undefined) throw new RangeError(`no program has a flag "${name}"`);
  return flag.variable;
}
