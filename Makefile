# `make` builds bin/gorb; `make help` says what else there is.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
PREFIX  ?= /usr/local
FUZZTIME ?= 1m

GO ?= go
TOOL := $(GO) tool -modfile=tools/go.mod

.PHONY: build test race lint fuzz bench bench-qemu soak demo demo-consul deps install clean distclean help

build: ## build bin/gorb, a static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/gorb ./cmd/gorb

test: ## vet and test everything, on a real kernel (user-mode Linux where this one has no IPVS)
	@tools/deps || [ "$$GORB_REQUIRE_KERNEL" != 1 ]
	$(GO) vet ./...
	$(GO) test -timeout 20m ./...

race: ## test with the race detector, without the kernel tests where they need user-mode Linux
	$(GO) test -race -timeout 20m ./...

lint: ## vet, gofumpt, staticcheck and revive
	$(GO) vet ./...
	@files=$$($(TOOL) gofumpt -l .) && [ -z "$$files" ] || { echo "gofumpt would change:" $$files; exit 1; }
	$(TOOL) staticcheck ./...
	$(TOOL) revive -config revive.toml -set_exit_status ./...

fuzz: ## run each fuzz target for FUZZTIME (default 1m)
	@set -e; grep -rHo '^func Fuzz[A-Za-z0-9_]*' --include='*_test.go' . | sed 's/func //' | while IFS=: read -r file target; do \
		echo "fuzz $$target in $${file%/*} for $(FUZZTIME)"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$${file%/*}"; \
	done

bench: ## measure gorb beside ipvsadm and keepalived on a kernel
	@tools/deps
	@$(GO) run ./internal/lab/bench

bench-qemu: ## measure the same under Debian's kernel, emulated by qemu
	@tools/deps
	@tools/deps qemu
	@$(GO) run ./internal/lab/bench -qemu

soak: ## run the long forms of the tests, up to three hours
	@tools/deps || [ "$$GORB_REQUIRE_KERNEL" != 1 ]
	@GO=$(GO) tools/consul/build || [ "$$GORB_REQUIRE_CONSUL" != 1 ]
	GORB_SOAK=1 $(GO) test -race -run 'SoakAPI$$' -timeout 1h -v ./cmd/gorb
	GORB_SOAK=1 $(GO) test -run Soak -skip 'SoakAPI$$' -timeout 3h -v ./...

demo: build ## show what gorb does, on a real kernel, in half a minute
	@tools/deps
	@$(GO) run ./internal/lab/demo

demo-consul: deps build ## show a director that takes its services from a real Consul, in a minute
	@$(GO) run ./internal/lab/demo consul

deps: ## fetch user-mode Linux and the tools that the tests call, and build Consul once (minutes), into .cache
	@tools/deps
	@GO=$(GO) tools/consul/build

install: build ## install gorb under DESTDIR and PREFIX (default /usr/local)
	install -D -m 0755 bin/gorb $(DESTDIR)$(PREFIX)/bin/gorb

clean: ## remove what build made
	rm -rf bin

distclean: clean ## remove what deps fetched, too
	rm -rf .cache

help: ## print this
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r target text; do \
		printf '  %-11s %s\n' "$$target" "$$text"; \
	done
