import { type Logger, pino } from "pino";

export type Log = Logger;

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * JSON lines on standard output, written synchronously so that the last words of a crash are not lost.
 * A line is a lower-case sentence with a stable `event` field; ids are fields, never part of the sentence.
 */
export function createLog(program: string, level: LogLevel): Log {
  return pino(
    {
      level,
      base: { program },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 1, sync: true }),
  );
}

/** For unit tests and one-shot commands: says nothing. */
export function silentLog(): Log {
  return pino({ level: "silent" });
}
