/** How one spec ended. */
export interface SpecResult {
  /** Without "[sig-network] ". */
  readonly name: string;
  readonly conformance: boolean;
  readonly outcome: "passed" | "failed";
  /** Seconds. */
  readonly took: number;
  /** First line of why it failed. */
  readonly message: string;
}

interface GinkgoSuite {
  readonly SpecReports: readonly GinkgoSpec[] | null;
}

interface GinkgoSpec {
  readonly LeafNodeType: string;
  readonly ContainerHierarchyTexts: readonly string[] | null;
  readonly LeafNodeText: string;
  readonly State: string;
  /** Nanoseconds. */
  readonly RunTime: number;
  readonly Failure?: { readonly Message: string };
}

/** Reads ginkgo's JSON report: the specs that ran, by name. A spec that found nothing to test here did not run. Pure. */
export function parseReport(json: string): ReadonlyMap<string, SpecResult> {
  const suites = JSON.parse(json) as readonly GinkgoSuite[];
  const specs = suites
    .flatMap(({ SpecReports }) => SpecReports ?? [])
    .filter(({ LeafNodeType }) => LeafNodeType === "It");
  const ran = specs.filter(({ State }) => State !== "skipped" && State !== "pending");
  return new Map(ran.map(readSpec).map((result) => [result.name, result]));
}

function readSpec({ ContainerHierarchyTexts, LeafNodeText, State, RunTime, Failure }: GinkgoSpec): SpecResult {
  const text = [...(ContainerHierarchyTexts ?? []), LeafNodeText].join(" ");
  return {
    name: text.replace(/^\[sig-network\] /, "").trim(),
    conformance: text.includes("[Conformance]"),
    outcome: State === "passed" ? "passed" : "failed",
    took: RunTime / 1e9,
    message: (Failure?.Message ?? "").split("\n")[0] ?? "",
  };
}
