import dnsPacket from "dns-packet";
import { describe, expect, test } from "vitest";
import type { V1EndpointSlice, V1Service } from "../../../kube/mod.ts";
import { answerMessage } from "../../../lab/dns.ts";
import { answerQuestion, type DnsObjects } from "../../../lab/dns-answer.ts";

const services: Record<string, V1Service> = {
  "default/web": { spec: { clusterIP: "10.96.0.5", ports: [{ name: "http", port: 80 }] } },
  "default/dual": { spec: { clusterIP: "10.96.0.6", clusterIPs: ["10.96.0.6", "fd00::6"] } },
  "default/pods": { spec: { clusterIP: "None" } },
  "default/away": { spec: { type: "ExternalName", externalName: "example.com" } },
};
const slices: V1EndpointSlice[] = [
  {
    addressType: "IPv4",
    endpoints: [
      { addresses: ["10.244.1.2"], hostname: "db-0", conditions: { ready: true } },
      { addresses: ["10.244.1.3"], conditions: { ready: false } },
      { addresses: ["10.244.1.4"] },
    ],
  },
];
const objects: DnsObjects = {
  service: (namespace, name) => services[`${namespace}/${name}`],
  slices: (_, name) => (name === "pods" ? slices : []),
};

describe("answerQuestion()", () => {
  const cases: { name: string; type?: string; want: unknown }[] = [
    { name: "web.default.svc.cluster.local", want: ["10.96.0.5"] },
    { name: "WEB.Default.svc.cluster.local", want: ["10.96.0.5"] },
    { name: "web.default.svc.cluster.local", type: "AAAA", want: [] },
    { name: "dual.default.svc.cluster.local", type: "AAAA", want: ["fd00::6"] },
    { name: "pods.default.svc.cluster.local", want: ["10.244.1.2", "10.244.1.4"] },
    { name: "db-0.pods.default.svc.cluster.local", want: ["10.244.1.2"] },
    { name: "db-9.pods.default.svc.cluster.local", want: "unknown" },
    { name: "away.default.svc.cluster.local", want: ["example.com"] },
    { name: "nobody.default.svc.cluster.local", want: "unknown" },
    { name: "web.default.cluster.local", want: "unknown" },
    { name: "_ftp._tcp.web.default.svc.cluster.local", type: "SRV", want: "unknown" },
    { name: "example.com", want: "refused" },
    { name: "mycluster.local", want: "refused" },
  ];
  test.each(cases)("$type $name is $want", ({ name, type = "A", want }) => {
    const outcome = answerQuestion({ name, type }, objects);
    expect(outcome.kind === "answers" ? outcome.answers.map(({ data }) => data) : outcome.kind).toEqual(want);
  });

  test("answers SRV of a named port with the port and the Service's name", () => {
    const question = { name: "_http._tcp.web.default.svc.cluster.local", type: "SRV" };
    expect(answerQuestion(question, objects)).toMatchObject({
      answers: [{ data: { port: 80, target: "web.default.svc.cluster.local" } }],
    });
  });
});

describe("answerMessage()", () => {
  const query = (name: string) =>
    dnsPacket.encode({ type: "query", id: 77, flags: 0, questions: [{ type: "A", name }] });

  test("repeats the id and the question, and answers with authority", () => {
    const answer = dnsPacket.decode(answerMessage(query("web.default.svc.cluster.local"), objects, 512));
    expect(answer).toMatchObject({ id: 77, type: "response", flag_aa: true, rcode: "NOERROR" });
    expect(answer.answers).toMatchObject([{ type: "A", data: "10.96.0.5" }]);
  });

  test.each([
    { name: "nobody.default.svc.cluster.local", rcode: "NXDOMAIN" },
    { name: "example.com", rcode: "REFUSED" },
  ])("says $rcode for $name", ({ name, rcode }) => {
    expect(dnsPacket.decode(answerMessage(query(name), objects, 512))).toMatchObject({ rcode, answers: [] });
  });

  test("cuts an answer that is too long and says so", () => {
    const answer = dnsPacket.decode(answerMessage(query("web.default.svc.cluster.local"), objects, 40));
    expect(answer).toMatchObject({ flag_tc: true, answers: [] });
  });
});
