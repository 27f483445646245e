import { expect, test } from "vitest";
import { drainOf } from "../../../proxy/drain.ts";
import { service } from "./cluster.ts";

test.each([
  { wish: undefined, time: 0 },
  { wish: "0", time: 0 },
  { wish: "30", time: 30_000 },
  { wish: "3600", time: 3_600_000 },
  { wish: "3601", time: 0, problem: 'ironbridge.io/endpoint-drain-seconds is "3601", want seconds, 0 to 3600' },
  { wish: "30s", time: 0, problem: 'ironbridge.io/endpoint-drain-seconds is "30s", want seconds, 0 to 3600' },
  { wish: "", time: 0, problem: 'ironbridge.io/endpoint-drain-seconds is "", want seconds, 0 to 3600' },
])("drainOf() reads $wish", ({ wish, time, problem }) => {
  const web = service("web");
  const annotations = wish === undefined ? {} : { "ironbridge.io/endpoint-drain-seconds": wish };
  const problems = problem === undefined ? [] : [problem];
  expect(drainOf({ ...web, metadata: { ...web.metadata, annotations } })).toEqual({ time, problems });
});
