/**
 * What Kubernetes' own network specs ask of a Service proxy, and the tests that show it: each spec is a test of its own
 * name, over the real kernel, wherever rules can be written and in both families. Not listed: what only the API server,
 * the cluster's DNS or a cloud answers for.
 */
export const UPSTREAM_ROWS: Readonly<Record<string, readonly string[]>> = {
  "lab/proxy-services.test.ts": [
    "should provide secure master service",
    "should serve a basic endpoint from pods",
    "should serve multiport endpoints from pods",
    "should be updated after adding or deleting ports",
    "should serve endpoints on same port and different protocols",
    "should support named targetPorts that resolve to different ports on different endpoints",
    "should be able to change the type from ClusterIP to ExternalName",
    "should be able to change the type from ExternalName to ClusterIP",
    "should be able to change the type from ExternalName to NodePort",
    "should be able to change the type from NodePort to ExternalName",
    "should be able to create a functioning NodePort service",
    "should be able to update service type to NodePort listening on same port number but different protocols",
    "should release NodePorts on delete",
    "should allow pods to hairpin back to themselves through services",
    "should preserve source pod IP for traffic thru service cluster IP",
    "should be rejected when no endpoints exist",
    "should be rejected for evicted pods (no endpoints exist)",
    "should be able to connect to terminating and unready endpoints if PublishNotReadyAddresses is true",
    "should not be able to connect to terminating and unready endpoints if PublishNotReadyAddresses is false",
    "should create endpoints for unready pods",
    "should be possible to connect to a service via ExternalIP when the external IP is not assigned to a node",
    "should be able to up and down services",
    "should work after restarting kube-proxy",
    "should implement service.kubernetes.io/%s", // service-proxy-name, headless
    "should complete a service status lifecycle",
    "should delete a collection of services",
    "Service endpoints latency should not be very high",
    "[CVE-2021-29923] IPv4 Service Type ClusterIP with leading zeros should work interpreted as decimal",
    "should create a single stack service, and services of both families in either order",
    "should support a Service with multiple endpoint IPs specified in multiple EndpointSlices",
    "should support a Service with multiple ports specified in multiple EndpointSlices",
    "should mirror a custom Endpoints resource through create update and delete",
    "should create Services and serve on different Service CIDRs",
  ],
  "lab/proxy-sticky.test.ts": [
    "should have session affinity work for service with type $type", // ClusterIP, NodePort
    "should be able to switch session affinity for service with type $type",
    "should have session affinity timeout work for service with type clusterIP, and for NodePort service",
    "should have session affinity work for LoadBalancer service with ESIPP off",
    "should have session affinity work for LoadBalancer service with ESIPP on",
    "should be able to switch session affinity for LoadBalancer service with ESIPP $esipp",
  ],
  "lab/proxy-policies.test.ts": [
    "should respect internalTrafficPolicy=Local Pod to Pod",
    "should respect internalTrafficPolicy=Local Pod (hostNetwork: true) to Pod",
    "should respect internalTrafficPolicy=Local Pod and Node, to Pod (hostNetwork: true)",
    "should fallback to terminating endpoints when there are no ready endpoints with internalTrafficPolicy=Cluster",
    "should fallback to local terminating endpoints when there are no ready endpoints with internalTrafficPolicy=Local",
    "should fallback to terminating endpoints when there are no ready endpoints with externalTrafficPolicy=Cluster",
    "should fallback to local terminating endpoints when there are no ready endpoints with externalTrafficPolicy=Local",
    "should be able to change the type and ports of a $protocol service", // TCP, UDP
    "should be able to create LoadBalancer Service without NodePort and change it",
    "should only allow access from service loadbalancer source ranges",
    "should work for type=LoadBalancer",
    "should work for type=NodePort",
    "should work from pods",
    "should handle updates to ExternalTrafficPolicy field",
    "LoadBalancer with ipMode Proxy leaves the node",
    "should not have connectivity disruption during rolling update with externalTrafficPolicy=%s",
    "should distribute endpoints evenly",
    "should route traffic to an endpoint in the same zone when using %s", // PreferClose, PreferSameZone
    "should route traffic correctly between pods on multiple nodes when using %s",
    "should route traffic to an endpoint on the same node or fall back to same zone when using PreferSameNode",
  ],
  "lab/proxy-udp.test.ts": [
    "should be able to preserve UDP traffic when server pod cycles for a %s service", // ClusterIP, NodePort
    "should be able to preserve UDP traffic when initial unready endpoints get ready",
    "should be able to preserve UDP traffic when server pod cycles for a LoadBalancer service on the same nodes",
    "should be able to preserve UDP traffic when server pod cycles for a LoadBalancer service on different nodes",
    "should not preserve UDP traffic of a service that is deleted",
  ],
  "lab/proxy-networking.test.ts": [
    "should function for endpoint-Service: $name", // http, udp
    "should function for node-Service: $name",
    "should function for pod-Service: $name",
    "should function for endpoint-Service, node-Service and pod-Service: sctp (%s)",
    "should update endpoints: $name",
    "should update nodePort: $name",
    "should function for client IP based session affinity: $name",
    "should function for multiple endpoint-Services with same selector",
    "should function for service endpoints using hostNetwork",
    "should be able to handle large requests: $name",
    "should support basic nodePort: udp functionality",
    "should be able to send traffic between Pods without SNAT",
    "validates that there is no conflict between pods with same hostPort but different hostIP and protocol",
    "should create a ClusterIP Service with SCTP ports",
    "should allow creating a basic SCTP service with pod and endpoints",
    "should function for localhost node ports, over IPv4 only",
    "should update metric for tracking accepted packets destined for localhost nodeports",
  ],
  "lab/proxy-invalid.test.ts": ["should drop INVALID conntrack entries"],
  "lab/proxy-health.test.ts": [
    "should fail health check node port if there are only terminating endpoints",
    "should only target nodes with endpoints",
    "should check kube-proxy urls",
  ],
  // Under other names, because they show more than the spec does.
  "lab/proxy-healing.test.ts": ["heals within 2 s: %s"], // should recreate its iptables rules if they are deleted
  "lab/api-away.test.ts": [
    "ignores a broken store with one line in the log, and leaves the rules that are there alone",
  ],
};
