export { type AdminServer, type AdminServerOptions, type Readiness, startAdminServer } from "./admin-server.ts";
export { type Clock, type FakeClock, fakeClock, systemClock } from "./clock.ts";
export { type Diff, diffMaps, isEmptyDiff } from "./diff.ts";
export { ERROR_CODES, type ErrorCode, explainError, hasCode, IronbridgeError } from "./errors.ts";
export { createLog, LOG_LEVELS, type Log, type LogLevel, silentLog } from "./log.ts";
export { Counter, createMetrics, Gauge, Histogram, type Metrics } from "./metrics.ts";
export { ownFile, ownModule } from "./own-file.ts";
export { runProgram } from "./program.ts";
export { type Runner, type RunnerOptions, startRunner } from "./runner.ts";
