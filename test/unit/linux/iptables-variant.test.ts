import { describe, expect, test } from "vitest";
import { chooseVariant } from "../../../linux/iptables-variant.ts";

const hint = (name: string) => `*mangle\n:${name} - [0:0]\nCOMMIT\n`;
const rules = (count: number) => `*filter\n:INPUT ACCEPT [0:0]\n${"-A INPUT -j ACCEPT\n".repeat(count)}COMMIT\n`;

describe("chooseVariant()", () => {
  test.each([
    { name: "nothing anywhere", nft: "", legacy: "", want: "nft" },
    { name: "kubelet's hint in nft", nft: hint("KUBE-IPTABLES-HINT"), legacy: rules(20), want: "nft" },
    { name: "kubelet's canary in legacy", nft: rules(20), legacy: hint("KUBE-KUBELET-CANARY"), want: "legacy" },
    { name: "hints in both", nft: hint("KUBE-KUBELET-CANARY"), legacy: hint("KUBE-KUBELET-CANARY"), want: "nft" },
    { name: "more rules in legacy", nft: rules(2), legacy: rules(3), want: "legacy" },
    { name: "as many rules in both", nft: rules(2), legacy: rules(2), want: "nft" },
    { name: "chains without rules", nft: "", legacy: rules(0), want: "nft" },
  ])("$name", ({ nft, legacy, want }) => expect(chooseVariant({ nft, legacy })).toBe(want));
});
