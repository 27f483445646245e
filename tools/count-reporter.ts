import type { Reporter, TestModule } from "vitest/node";

/** Ends a test run with the one line that is easy to read by eye and by script: "N passed, N failed, N skipped". */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const { state } = test.result();
        count[state === "pending" ? "failed" : state]++;
      }
      if (!module.ok() && tests.every((test) => test.ok())) count.failed++; // the file itself broke
    }
    console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  }
}
