import { type BGPAdvertisement, type CommunityValue, parseCommunity } from "../../config/mod.ts";
import { AnnotationReader } from "./annotation-reader.ts";

/** What a BGPAdvertisement asks for beyond MetalLB's fields, in annotations. */
export interface BgpAdvertOptions {
  /** `ironbridge.io/as-path-prepend`: how often the own AS number is repeated; 0 to 10. */
  readonly prepend: number;
  /** `ironbridge.io/med`: MULTI_EXIT_DISC; undefined: not sent. */
  readonly med?: number;
  /** `ironbridge.io/drain-on-cordon`: a cordoned node asks its peers for other ways (RFC 8326). */
  readonly drainOnCordon: boolean;
  /** `ironbridge.io/service-communities`: the communities that Services may add themselves. */
  readonly serviceCommunities: readonly CommunityValue[];
}

export const DEFAULT_BGP_OPTIONS: BgpAdvertOptions = { prepend: 0, drainOnCordon: false, serviceCommunities: [] };

/** Annotation of a Service: communities it wants, of those an advertisement allows. */
export const COMMUNITIES_ANNOTATION = "ironbridge.io/communities";

const PREPEND = "ironbridge.io/as-path-prepend";
const MED = "ironbridge.io/med";
const DRAIN_ON_CORDON = "ironbridge.io/drain-on-cordon";
const SERVICE_COMMUNITIES = "ironbridge.io/service-communities";
const MOST_PREPENDED = 10;

/** The options, and a sentence for each annotation whose value means nothing and is not heeded. */
export function bgpAdvertOptionsOf({ metadata = {} }: BGPAdvertisement): {
  readonly options: BgpAdvertOptions;
  readonly problems: readonly string[];
} {
  const { annotations = {}, name = "", namespace = "" } = metadata;
  const reader = new AnnotationReader(annotations);
  const med = reader.number(MED, 0, 0xffff_ffff);
  const communities = parseCommunities(reader.text(SERVICE_COMMUNITIES) ?? "");
  if (communities.invalid.length > 0) reader.refuse(SERVICE_COMMUNITIES, "A:B or large:A:B:C, separated by commas");
  const options = {
    prepend: reader.number(PREPEND, 0, MOST_PREPENDED) ?? 0,
    ...(med === undefined ? {} : { med }),
    drainOnCordon: reader.flag(DRAIN_ON_CORDON),
    serviceCommunities: communities.values,
  };
  return { options, problems: reader.problems.map((each) => `BGPAdvertisement ${namespace}/${name}: ${each}.`) };
}

/** A list separated by commas. */
export function parseCommunities(text: string): {
  readonly values: readonly CommunityValue[];
  readonly invalid: readonly string[];
} {
  const values: CommunityValue[] = [];
  const invalid: string[] = [];
  for (const each of text.split(",").map((part) => part.trim())) {
    if (each === "") continue;
    const parsed = parseCommunity(each);
    if (parsed.kind === "invalid") invalid.push(each);
    else values.push(parsed);
  }
  return { values, invalid };
}
