import { describe, expect, test } from "vitest";
import { advertOptionsOf } from "../../../speaker/advert-options.ts";

const options = (annotations: Record<string, string>) =>
  advertOptionsOf({ metadata: { name: "all", namespace: "lb", annotations } });

describe("advertOptionsOf()", () => {
  test("reads the annotations", () => {
    expect(options({})).toEqual({ options: { election: "sticky", drainOnCordon: false }, problems: [] });
    const annotations = { "ironbridge.io/election": "revertive", "ironbridge.io/drain-on-cordon": "true" };
    expect(options(annotations)).toEqual({ options: { election: "revertive", drainOnCordon: true }, problems: [] });
  });

  test("names a value that means nothing, and what would", () => {
    const { options: read, problems } = options({ "ironbridge.io/election": "best" });
    expect(read.election).toBe("sticky");
    expect(problems).toEqual([
      'L2Advertisement lb/all: annotation ironbridge.io/election is "best"; write one of revertive, spread, sticky.',
    ]);
  });
});
