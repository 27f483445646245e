import { describe, expect, test } from "vitest";
import {
  type BgpNotification,
  CeaseError,
  ceaseWith,
  communicationOf,
  printBgpNotification,
} from "../../../net/mod.ts";

describe("ceaseWith()", () => {
  test("carries the words to the operator of the other side", () => {
    const cease = ceaseWith(CeaseError.AdministrativeShutdown, "upgrade, back in 5 minutes");
    expect(printBgpNotification(cease)).toBe("Cease/Administrative Shutdown: upgrade, back in 5 minutes");
  });

  test("cuts what is too long between characters", () => {
    const cease = ceaseWith(CeaseError.AdministrativeShutdown, "ü".repeat(200));
    expect(cease.data.length).toBeLessThanOrEqual(256);
    expect(communicationOf(cease)).toBe("ü".repeat(127));
  });
});

describe("printBgpNotification()", () => {
  const cases: { notification: BgpNotification; want: string }[] = [
    { notification: { code: 4, subcode: 0, data: new Uint8Array() }, want: "Hold Timer Expired" },
    { notification: { code: 2, subcode: 2, data: new Uint8Array() }, want: "OPEN Message Error/Bad Peer AS" },
    { notification: { code: 99, subcode: 7, data: new Uint8Array() }, want: "error 99/subcode 7" },
    {
      notification: { code: 6, subcode: 2, data: Uint8Array.of(3, 0xff, 0xfe, 0xfd) },
      want: "Cease/Administrative Shutdown",
    },
    { notification: { code: 6, subcode: 2, data: Uint8Array.of(9, 65) }, want: "Cease/Administrative Shutdown" },
    {
      notification: { code: 6, subcode: 2, data: Uint8Array.of(3, 65, 10, 66) },
      want: "Cease/Administrative Shutdown: A B",
    },
  ];
  test.each(cases)("$want", ({ notification, want }) => expect(printBgpNotification(notification)).toBe(want));
});
