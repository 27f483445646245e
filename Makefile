# One line each: what to type. `make help` prints them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PROXY_MODE ?= nftables
ROUTING_MODE ?= direct
IP_FAMILIES ?= ipv4
SERVICE_PROXY ?= ironbridge
LOAD_BALANCER ?= ironbridge
CNI ?= ironbridge
CLUSTER_FLAGS = --proxy-mode $(PROXY_MODE) --routing-mode $(ROUTING_MODE) --ip-families $(IP_FAMILIES) --service-proxy $(SERVICE_PROXY) --load-balancer $(LOAD_BALANCER) --cni $(CNI)
export PATH := $(CURDIR)/dist/bin:$(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: help lab lab-down ok test test-slow bench types lint imports generated unit golden image test-image cluster cluster-down test-cluster setup-lab setup-test setup-image setup-cluster shim

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

lab: setup-lab shim ## bring up a whole cluster in network namespaces and curl through it (PROXY_MODE=nftables|iptables)
	@bin/ironbridge lab up --proxy-mode $(PROXY_MODE)

lab-down: ## remove the lab: namespaces, processes, sockets, files
	@bin/ironbridge lab down

ok: setup-lab shim ## every gate in a minute: types, lint, import rule, generated files, unit tests
	@$(MAKE) -s types lint imports generated unit

test: setup-test shim ## unit tests, golden files, and the tests on the real kernel (root)
	@vitest run --project unit --project kernel

test-slow: setup-test shim ## faults (10,000 of the pod network), containerd, take-over of a bridge, held connections, hostile peers, take-over from kube-proxy, 500 random clusters, 10,000 histories of addresses, a million broken BGP messages (root)
	@FAULT_KILLS=100 HELD_CONNECTIONS=10000 vitest run --project slow
	@FAULT_STEPS=10000 vitest run --project kernel test/lab/cni-faults.test.ts
	@IRONBRIDGE_TEST_CLUSTERS=500 vitest run --project kernel test/lab/proxy-differential.test.ts
	@IRONBRIDGE_TEST_RUNS=10000 vitest run --project unit test/unit/controller/model.test.ts
	@IB_MUTATIONS=1000000 vitest run --project unit test/unit/net/bgp-message.test.ts

bench: setup-test shim ## measure (NAME=... for one): a table and a JSON line per figure
	@node test/bench/run.ts $(NAME)

image: setup-image shim ## dist/ironbridge.tar, a container image for `ctr images import` or `docker load`, and its SBOM
	@node tools/image/main.ts

test-image: setup-image shim ## build the image twice from nothing, compare, and run its programs (root; about a minute)
	@vitest run --project image

cluster: setup-cluster shim ## three nodes of a real Kubernetes with Ironbridge (ROUTING_MODE=vxlan IP_FAMILIES=dual; compare: SERVICE_PROXY=kube-proxy LOAD_BALANCER=metallb CNI=reference)
	@test/cluster/tools/build
	@node tools/image/main.ts
	@node test/cluster/main.ts up $(CLUSTER_FLAGS)

cluster-down: ## remove the cluster: namespaces, processes, cgroups, files
	@node test/cluster/main.ts down

test-cluster: setup-cluster shim ## that cluster's tests, and Kubernetes' own network tests on it and on what it replaces (root; see docs/cluster.md)
	@test/cluster/tools/build
	@node tools/image/main.ts
	@node test/cluster/main.ts images
	@vitest run --project cluster

golden: setup-lab ## rewrite the golden files; the review of their diff is the test
	@vitest run --project unit --update

types: ; @tsc --noEmit
lint: ; @biome check --error-on-warnings .
imports: ; @node tools/check-imports.ts
generated: ; @node tools/generate-crds.ts --check && node tools/generate-manifests.ts --check && node tools/generate-resource-docs.ts --check
unit: ; @vitest run --project unit

setup-lab: ; @tools/setup lab
setup-image: ; @tools/setup image
setup-cluster: ; @tools/setup cluster
setup-test: ; @tools/setup test
shim: ; @tools/build-shim
