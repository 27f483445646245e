import { z } from "zod";
import { parseCommunity } from "./community-value.ts";
import { conditionStatus } from "./condition.ts";
import { type CustomObject, type CustomResource, metallbResource } from "./resource.ts";
import { distinctList, type KindDescription } from "./schema.ts";

/** A community's number, checked. */
const communityText = z.string().superRefine((text, context) => {
  const parsed = parseCommunity(text);
  if (parsed.kind === "invalid") context.addIssue({ code: "custom", message: parsed.why });
});

const alias = z.object({
  name: z.string().min(1, { error: "the name is empty; name the community" }).describe("The alias."),
  value: communityText.describe("What the alias stands for: A:B or large:A:B:C."),
});

const spec = z.object({ communities: distinctList(alias, "community", "Aliases, each with its value.") }).prefault({});

export const COMMUNITY: KindDescription<typeof spec> = {
  description: "Names for BGP communities, to be used in BGPAdvertisements.",
  spec,
  status: conditionStatus,
  columns: [],
};

export interface Community extends Omit<CustomObject<unknown, z.output<typeof conditionStatus>>, "spec"> {
  readonly spec?: z.input<typeof spec>;
}

export const COMMUNITIES: CustomResource<Community> = metallbResource("Community", "communities");
