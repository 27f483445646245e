import { type BuiltinType, builtinType, type Field, typeNameOf } from "./builtin-types.ts";
import { isObject, type Json, type JsonObject } from "./json.ts";
import { badRequest, Refusal } from "./refusal.ts";

/** What the typed clients of client-go send since 1.32, kubectl create among them. */
export const PROTOBUF = "application/vnd.kubernetes.protobuf";

/** Four octets before every message: k8s and zero. */
const MAGIC = "k8s\0";

/**
 * Reads a Kubernetes protobuf message as the JSON object it stands for.
 * @throws {Refusal} 400 for broken octets, 415 for a kind whose protobuf form is not known here.
 * @see k8s.io/apimachinery/pkg/runtime/serializer/protobuf
 */
export function decodeProtobuf(bytes: Buffer): Json {
  if (bytes.subarray(0, MAGIC.length).toString("latin1") !== MAGIC)
    throw badRequest("not a Kubernetes protobuf message");
  const envelope = [...readFields(bytes.subarray(MAGIC.length))];
  const typeMeta = [...readFields(bytesOf(envelope, 1))];
  const apiVersion = bytesOf(typeMeta, 1).toString();
  const kind = bytesOf(typeMeta, 2).toString();
  const name = typeNameOf(kind === "DeleteOptions" ? "meta" : apiVersion.split("/").slice(0, -1).join("/"), kind);
  const type = name === undefined ? undefined : builtinType(name);
  if (type === undefined) {
    throw new Refusal(415, "UnsupportedMediaType", `${apiVersion} ${kind} is not read as protobuf here; send JSON`);
  }
  return { apiVersion, kind, ...decodeMessage(type, bytesOf(envelope, 2)) };
}

/** One field on the wire: a varint or fixed number, or octets. */
interface WireField {
  readonly number: number;
  readonly value: bigint | number | Buffer;
}

function bytesOf(fields: readonly WireField[], number: number): Buffer {
  const value = fields.find((field) => field.number === number)?.value;
  return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
}

function decodeMessage(type: BuiltinType, bytes: Buffer): JsonObject {
  const result: Record<string, Json | undefined> = {};
  for (const { number, value } of readFields(bytes)) {
    const field = type.get(number);
    if (field !== undefined) addField(result, field, value);
  }
  return result;
}

function addField(result: Record<string, Json | undefined>, field: Field, value: WireField["value"]): void {
  const { name, shape, optional } = field;
  if (shape === "map") {
    const entry = [...readFields(Buffer.isBuffer(value) ? value : Buffer.alloc(0))];
    const item = entry.find(({ number }) => number === 2)?.value ?? Buffer.alloc(0);
    const map = isObject(result[name!]) ? (result[name!] as JsonObject) : {};
    result[name!] = { ...map, [bytesOf(entry, 1).toString()]: decodeValue(field.type, item) };
    return;
  }
  const decoded = decodeValue(field.type, value);
  if (name === undefined) Object.assign(result, decoded);
  else if (shape === "list") result[name] = [...((result[name] as readonly Json[] | undefined) ?? []), decoded];
  else if (optional || !isZero(decoded)) result[name] = decoded;
}

/** A field that is no pointer is sent also when it is not set. */
function isZero(value: Json): boolean {
  if (isObject(value)) return Object.keys(value).length === 0;
  return value === "" || value === 0 || value === false || value === null;
}

function decodeValue(type: string, value: WireField["value"]): Json {
  if (!Buffer.isBuffer(value)) return type === "bool" ? Number(value) !== 0 : Number(value);
  switch (type) {
    case "string":
      return value.toString();
    case "bytes":
      return value.toString("base64");
    case "quantity":
      return bytesOf([...readFields(value)], 1).toString();
    case "time":
      return decodeTime(value);
    case "intOrString":
      return decodeIntOrString(value);
    case "duration":
      return Number([...readFields(value)][0]?.value ?? 0);
    case "raw":
      return JSON.parse(bytesOf([...readFields(value)], 1).toString() || "null") as Json;
    default:
      return decodeMessage(builtinType(type) ?? new Map(), value);
  }
}

/** Seconds and nanoseconds; no fields at all is a time that is not set. */
function decodeTime(bytes: Buffer): Json {
  const fields = new Map([...readFields(bytes)].map(({ number, value }) => [number, Number(value)]));
  const seconds = fields.get(1);
  if (seconds === undefined) return null;
  const micros = Math.floor((fields.get(2) ?? 0) / 1000);
  const text = new Date(seconds * 1000).toISOString().slice(0, 19);
  return micros === 0 ? `${text}Z` : `${text}.${String(micros).padStart(6, "0")}Z`;
}

/** Type 0 is a number, 1 a string. */
function decodeIntOrString(bytes: Buffer): Json {
  const fields = [...readFields(bytes)];
  const numberOf = (number: number) => Number(fields.find((field) => field.number === number)?.value ?? 0);
  return numberOf(1) === 1 ? bytesOf(fields, 3).toString() : numberOf(2);
}

/** The fields of a message, in order. https://protobuf.dev/programming-guides/encoding/ */
function* readFields(bytes: Buffer): Generator<WireField> {
  let offset = 0;
  const take = (length: number): Buffer => {
    if (offset + length > bytes.length) throw badRequest("a protobuf message ends too early");
    offset += length;
    return bytes.subarray(offset - length, offset);
  };
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const octet = take(1)[0]!;
      value |= BigInt(octet & 0x7f) << shift;
      if (octet < 0x80) return BigInt.asIntN(64, value);
      if (shift > 63n) throw badRequest("a protobuf number is longer than ten octets");
    }
  };
  while (offset < bytes.length) {
    const tag = Number(varint());
    const number = tag >> 3;
    switch (tag & 7) {
      case 0:
        yield { number, value: varint() };
        break;
      case 1:
        yield { number, value: take(8).readDoubleLE() };
        break;
      case 2:
        yield { number, value: take(Number(varint())) };
        break;
      case 5:
        yield { number, value: take(4).readFloatLE() };
        break;
      default:
        throw badRequest(`a protobuf field of unknown form ${tag & 7}`);
    }
  }
}
