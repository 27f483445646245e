import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeProtobuf } from "../../../../lab/api/protobuf.ts";
import { Refusal } from "../../../../lab/api/refusal.ts";
import { refusal } from "./support.ts";

type Part = readonly [number: number, value: number | string | readonly Part[]];

/** A message from (number, value) pairs: numbers as varints, texts and messages with their length. */
function encode(parts: readonly Part[]): Buffer {
  return Buffer.concat(
    parts.map(([number, value]) => {
      if (typeof value === "number") return Buffer.concat([varint(number << 3), varint(value)]);
      const bytes = typeof value === "string" ? Buffer.from(value) : encode(value);
      return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
    }),
  );
}

function varint(value: number): Buffer {
  const octets: number[] = [];
  let rest = value;
  while (rest > 127) {
    octets.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...octets, rest]);
}

function envelope(apiVersion: string, kind: string, message: readonly Part[]): Buffer {
  const type: Part = [
    1,
    [
      [1, apiVersion],
      [2, kind],
    ],
  ];
  return Buffer.concat([Buffer.from("k8s\0"), encode([type, [2, message]])]);
}

describe("decodeProtobuf()", () => {
  test("reads a Service as kubectl create sends it, unset fields left out", () => {
    const metadata: Part = [
      1,
      [
        [1, "web"],
        [2, ""],
        [8, []],
        [
          11,
          [
            [1, "app"],
            [2, "web"],
          ],
        ],
      ],
    ];
    const port: Part = [
      1,
      [
        [1, "http"],
        [2, "TCP"],
        [3, 80],
        [
          4,
          [
            [1, 1],
            [2, 0],
            [3, "web"],
          ],
        ],
        [5, 0],
      ],
    ];
    const spec: Part = [
      2,
      [
        port,
        [
          2,
          [
            [1, "app"],
            [2, "web"],
          ],
        ],
        [4, "NodePort"],
        [20, 0],
      ],
    ];
    expect(decodeProtobuf(envelope("v1", "Service", [metadata, spec]))).toEqual({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web", labels: { app: "web" } },
      spec: {
        ports: [{ name: "http", protocol: "TCP", port: 80, targetPort: "web" }],
        selector: { app: "web" },
        type: "NodePort",
        allocateLoadBalancerNodePorts: false,
      },
    });
  });

  test("keeps the zero of a pointer and times with microseconds", () => {
    const lease: Part = [
      2,
      [
        [1, "me"],
        [2, 0],
        [
          4,
          [
            [1, 1_767_225_600],
            [2, 5000],
          ],
        ],
      ],
    ];
    expect(decodeProtobuf(envelope("coordination.k8s.io/v1", "Lease", [lease]))).toMatchObject({
      spec: { holderIdentity: "me", leaseDurationSeconds: 0, renewTime: "2026-01-01T00:00:00.000005Z" },
    });
  });

  test("refuses kinds it does not know, and what is no message", () => {
    expect(refusal(() => decodeProtobuf(envelope("x.io/v1", "Boat", []))).status).toBe(415);
    expect(refusal(() => decodeProtobuf(Buffer.from("{}"))).status).toBe(400);
    expect(refusal(() => decodeProtobuf(Buffer.from("k8s\0\x0a\x7f"))).status).toBe(400);
  });

  test("any octets are read or refused, never anything else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        const whole = envelope("v1", "Pod", []);
        try {
          decodeProtobuf(Buffer.concat([whole.subarray(0, -2), varint((2 << 3) | 2), varint(octets.length), octets]));
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal);
        }
      }),
    );
  });
});
