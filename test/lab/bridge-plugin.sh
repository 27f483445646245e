#!/bin/sh
# A CNI plugin of a few lines, for tests of what surrounds the network: a bridge in the node's namespace, addresses
# 10.244.1.2 upwards from a counter beside this file, no IPAM, nothing released.
set -eu
cat >/dev/null
case "$CNI_COMMAND" in
ADD)
  counter="$(dirname "$0")/counter"
  number=$(($(cat "$counter" 2>/dev/null || echo 1) + 1))
  echo "$number" >"$counter"
  ip link add br0 type bridge 2>/dev/null && ip address add 10.244.1.1/24 dev br0 && ip link set dev br0 up || true
  pod=$(basename "$CNI_NETNS")
  ip link add "veth$number" type veth peer name "$CNI_IFNAME" netns "$pod"
  ip link set dev "veth$number" master br0 up
  ip -n "$pod" address add "10.244.1.$number/24" dev "$CNI_IFNAME"
  ip -n "$pod" link set dev "$CNI_IFNAME" up
  ip -n "$pod" route add default via 10.244.1.1
  echo "{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.244.1.$number/24\"}]}"
  ;;
DEL) ;;
esac
