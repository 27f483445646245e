/** How patient members are with each other. Milliseconds. */
export interface MemberTimes {
  /** Between two ticks: how finely time is looked at. */
  readonly tick: number;
  /** Between two heartbeats. */
  readonly period: number;
  /** Silence after which a member is asked for a sign of life at every tick. */
  readonly probeAfter: number;
  /** Silence after which a member is lost: three heartbeats and the answers to the probes. */
  readonly deadAfter: number;
  /** After which a member that shows no sign of having heard us is deaf. */
  readonly deafAfter: number;
  /** How old the stamp may be that proves a new conversation genuine. */
  readonly echoMaxAge: number;
  /**
   * How long a refusal of a member's kernel proves that its node lives; kernels limit refusals to one a second, and one may
   * be lost.
   */
  readonly refusalMaxAge: number;
  /** How long after a member's node was given up it may still have the connections it had. */
  readonly keptAfter: number;
  /** How long a member whose node lives may be silent before its addresses are taken from it. */
  readonly restartGrace: number;
  /** The same for one that said that it is only being restarted. */
  readonly pauseGrace: number;
}

export const MEMBER_TIMES: MemberTimes = {
  tick: 50,
  period: 100,
  probeAfter: 150,
  deadAfter: 350,
  deafAfter: 600,
  echoMaxAge: 2000,
  refusalMaxAge: 2500,
  keptAfter: 700,
  restartGrace: 10_000,
  pauseGrace: 30_000,
};
