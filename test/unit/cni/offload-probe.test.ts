import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OffloadProbe, type Question } from "../../../cni/offload-probe.ts";
import { parseAddress, printAddress } from "../../../net/mod.ts";

const SECOND = 1000;
const END = { end: parseAddress("10.244.2.0"), remote: parseAddress("192.0.2.2") };
const END6 = { end: parseAddress("fd00:244:2::"), remote: parseAddress("192.0.2.2") };

function probeOf(...ends: readonly (typeof END)[]): OffloadProbe {
  let drawn = 0;
  const probe = new OffloadProbe(() => String(drawn++));
  probe.setEnds(ends);
  return probe;
}

/** Answers those questions of each round that `answers` lets through, for as long as there is something to do. */
function run(probe: OffloadProbe, until: number, answers: (question: Question, now: number) => boolean): Question[] {
  const all: Question[] = [];
  for (let now = 0; now <= until; now = Math.max(now + SECOND, probe.nextDue())) {
    const questions = probe.next(now);
    all.push(...questions);
    if (probe.spoiled() !== undefined) break;
    for (const question of questions) if (answers(question, now)) probe.answered(question.end, question.nonce);
  }
  return all;
}

const plainOnly = ({ maker }: Question) => maker === "kernel";

describe("OffloadProbe", () => {
  test("asks once where both datagrams arrive", () => {
    const probe = probeOf(END, END6);
    const questions = run(probe, 3600 * SECOND, () => true);
    expect(questions.map(({ end, maker }) => `${printAddress(end)} ${maker}`)).toEqual([
      "10.244.2.0 interface",
      "10.244.2.0 kernel",
      "fd00:244:2:: interface",
      "fd00:244:2:: kernel",
    ]);
    expect(probe.counts()).toEqual({ verified: 2, all: 2 });
    expect(probe.spoiled()).toBeUndefined();
  });

  test("is content with the datagram of the interface alone", () => {
    const probe = probeOf(END);
    expect(run(probe, 60 * SECOND, ({ maker }) => maker === "interface")).toHaveLength(2);
  });

  test("condemns a way where only plain datagrams are answered, eight times in a row", () => {
    const probe = probeOf(END);
    expect(run(probe, 60 * SECOND, plainOnly)).toHaveLength(16);
    expect(probe.spoiled()).toEqual({ ...END, rounds: 8 });
  });

  test("sends now the one and now the other first", () => {
    const first = run(probeOf(END), 60 * SECOND, plainOnly).filter((_, i) => i % 2 === 0);
    expect(new Set(first.map(({ maker }) => maker))).toEqual(new Set(["interface", "kernel"]));
  });

  test("one family that loses packets is enough", () => {
    const probe = probeOf(END, END6);
    run(probe, 60 * SECOND, ({ end, maker }) => end.family === "ipv4" || maker === "kernel");
    expect(probe.spoiled()).toEqual({ ...END6, rounds: 8 });
  });

  test("one answer clears the way for good, also a late one", () => {
    const probe = probeOf(END);
    const questions = run(probe, 6 * SECOND, plainOnly);
    probe.answered(END.end, questions.find(({ maker }) => maker === "interface")!.nonce);
    expect(run(probe, 3600 * SECOND, plainOnly)).toEqual([]);
    expect(probe.spoiled()).toBeUndefined();
  });

  test("concludes nothing from silence, and asks a node that is down ever less", () => {
    const probe = probeOf(END);
    const questions = run(probe, 24 * 3600 * SECOND, () => false);
    expect(probe.spoiled()).toBeUndefined();
    expect(questions.length).toBeLessThan(2 * 300);
    expect(probe.nextDue()).toBeLessThanOrEqual((24 * 3600 + 302) * SECOND);
  });

  test("counts rounds with an answer only, however much silence is between them", () => {
    const probe = probeOf(END);
    let round = 0;
    run(probe, 24 * 3600 * SECOND, ({ maker }) => {
      if (maker === "kernel") round += 1;
      return maker === "kernel" && round % 3 === 0 && round < 24;
    });
    expect(probe.spoiled()).toBeUndefined();
  });

  test("asks at once who has asked, but does not ask twice in a round", () => {
    const probe = probeOf(END);
    probe.next(0);
    probe.heard(END.end, 500);
    expect(probe.next(500)).toEqual([]);
    probe.next(SECOND); // silence
    expect(probe.next(1500)).toEqual([]);
    probe.heard(END.end, 1600);
    expect(probe.nextDue()).toBe(1600);
    expect(probe.next(1600)).toHaveLength(2);
  });

  test("takes an answer from its own end only, and with its own nonce", () => {
    const probe = probeOf(END, END6);
    const [toFirst] = probe.next(0);
    probe.answered(END6.end, toFirst!.nonce);
    probe.answered(END.end, "guessed");
    probe.answered(parseAddress("10.244.9.0"), toFirst!.nonce);
    expect(probe.counts().verified).toBe(0);
    expect(probe.knows(END.end)).toBe(true);
    expect(probe.knows(parseAddress("10.244.9.0"))).toBe(false);
  });

  test("forgets ends that are gone, and what it knew of one that moved", () => {
    const probe = probeOf(END, END6);
    run(probe, 10 * SECOND, () => true);
    probe.setEnds([END, { ...END6, remote: parseAddress("192.0.2.22") }]);
    expect(probe.counts()).toEqual({ verified: 1, all: 2 });
    probe.setEnds([END]);
    expect(probe.counts()).toEqual({ verified: 1, all: 1 });
    probe.forget();
    expect([probe.counts().all, probe.nextDue()]).toEqual([0, Infinity]);
  });

  test("asks the nodes of a large cluster by and by", () => {
    const ends = Array.from({ length: 100 }, (_, i) => ({ ...END, end: parseAddress(`10.244.${i}.0`) }));
    const probe = probeOf(...ends);
    const rounds = [0, 1, 2, 3, 4].map((second) => {
      const questions = probe.next(second * SECOND);
      for (const { end, nonce } of questions) probe.answered(end, nonce);
      return questions.length / 2;
    });
    expect(rounds).toEqual([32, 32, 32, 4, 0]);
  });

  test("condemns a way when eight rounds had a plain answer alone before the first answer to the interface", () => {
    const arrivals = fc.array(fc.tuple(fc.boolean(), fc.boolean()), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(arrivals, (rounds) => {
        const probe = probeOf(END);
        let sent = 0;
        run(probe, 24 * 3600 * SECOND, ({ maker }) => {
          const [offloaded, plain] = rounds[Math.floor(sent++ / 2)] ?? [true, true];
          return maker === "kernel" ? plain : offloaded;
        });
        const cleared = rounds.findIndex(([offloaded]) => offloaded);
        const before = cleared < 0 ? rounds : rounds.slice(0, cleared);
        expect(probe.spoiled() !== undefined).toBe(before.filter(([, plain]) => plain).length >= 8);
      }),
    );
  });
});
