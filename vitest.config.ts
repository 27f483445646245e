import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    reporters: ["default", "./tools/count-reporter.ts"],
    projects: [
      {
        // Files share a process: loading the modules anew for each would take as long as the tests do.
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          isolate: false,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // The real kernel: namespaces, sockets, processes. Two files at a time: most of a file's time is waiting.
        test: {
          name: "kernel",
          include: ["test/lab/**/*.test.ts"],
          exclude: ["**/*.slow.test.ts"],
          pool: "forks",
          maxWorkers: 2,
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Faults, held connections, hostile peers, fail-over in detail: long, or in need of an idle machine.
        test: {
          name: "slow",
          include: ["test/lab/**/*.slow.test.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // The container image: builds it from nothing, twice.
        test: { name: "image", include: ["test/image/**/*.test.ts"], pool: "forks", sequence: { groupOrder: 2 } },
      },
      {
        // A real Kubernetes: kubelets, containers. One cluster at a time.
        test: {
          name: "cluster",
          include: ["test/cluster/**/*.test.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
