import { describe, expect, test } from "vitest";
import { findImage, imageBaseName } from "../../../lab/image.ts";

describe("imageBaseName()", () => {
  test.each([
    { reference: "nginx", want: "nginx" },
    { reference: "nginx:1.27", want: "nginx" },
    { reference: "docker.io/library/nginx:1.27@sha256:abc", want: "nginx" },
    { reference: "localhost:5000/team/app", want: "app" },
  ])("$reference is $want", ({ reference, want }) => expect(imageBaseName(reference)).toBe(want));
});

describe("findImage()", () => {
  test("knows nginx and what it runs", () => expect(findImage("nginx:1.27", undefined)?.command[0]).toBe("nginx"));
  test("takes any image when the pod names a command", () => expect(findImage("a/b:1", ["sleep", "1"])).toBeDefined());
  test("has no image of an unknown name", () => expect(findImage("a/b:1", undefined)).toBeUndefined());
});
