import { type ApiObject, type JsonObject, objectAt } from "./json.ts";

/**
 * An Event of events.k8s.io/v1 as the stored core/v1 Event: the same facts under other names.
 * @see k8s.io/kubernetes/pkg/apis/events/v1 conversion
 */
export function eventToCore(event: ApiObject): ApiObject {
  const {
    regarding,
    note,
    reportingController,
    deprecatedSource,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedCount,
    ...same
  } = event;
  return {
    ...same,
    apiVersion: "v1",
    ...defined({
      involvedObject: regarding,
      message: note,
      reportingComponent: reportingController,
      source: deprecatedSource,
      firstTimestamp: deprecatedFirstTimestamp,
      lastTimestamp: deprecatedLastTimestamp,
      count: deprecatedCount,
    }),
  };
}

/** The stored core/v1 Event as one of events.k8s.io/v1. */
export function eventFromCore(event: ApiObject): ApiObject {
  const { involvedObject, message, reportingComponent, source, firstTimestamp, lastTimestamp, count, ...same } = event;
  return {
    ...same,
    apiVersion: "events.k8s.io/v1",
    regarding: involvedObject ?? objectAt(event, "regarding"),
    ...defined({
      note: message,
      reportingController: reportingComponent,
      deprecatedSource: source,
      deprecatedFirstTimestamp: firstTimestamp,
      deprecatedLastTimestamp: lastTimestamp,
      deprecatedCount: count,
    }),
  };
}

function defined(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
