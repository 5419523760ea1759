# Postern. `make` alone lists what there is.
#
# Everything runs as a normal user, except `make install` and the one moment in
# which .ci/need installs a missing Debian package.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory

# What root's PATH lacks after `su`, and where Go's own archive unpacks to.
export PATH        := $(PATH):/usr/local/go/bin:/usr/sbin:/sbin
# No C compiler is needed, and what is built depends on the Go toolchain alone.
export CGO_ENABLED := 0

PREFIX       ?= /usr/local
STATEDIR     ?= /var/lib/postern
UNITDIR      ?= /etc/systemd/system
FUZZTIME     ?= 10s
BENCHTIME    ?= 1s
TESTFLAGS    ?=
DEMOFLAGS    ?=
LINT_VERSION := v2.15.0
LINT         := .tools/golangci-lint-$(LINT_VERSION)
NPM          := .tools/npm
# What the desk's window needs, and what tests need.
WINDOW_NEEDS := bubblewrap libwebkit2gtk-4.1-0 xdg-dbus-proxy
TESTS_NEED   := tor firefox-esr chromium fonts-croscore fonts-noto-core w3m strace node npm \
	$(WINDOW_NEEDS) at-spi2-core dbus xdotool xvfb sway wtype grim
NPM_LOCK     := web/browsertest/npm/package-lock.json

.PHONY: help demo test race build check fuzz bench pictures install clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

demo: ## the whole way of one report on this machine alone, over a private Tor network
	@.ci/need go tor $(if $(findstring --desk,$(DEMOFLAGS)),$(WINDOW_NEEDS))
	@$(MAKE) build
	@./bin/postern-demo $(DEMOFLAGS)

# Two packages at a time: some boot a Tor network of ten processes.
test: ## every test, with a real tor and real browsers
	@.ci/need go $(TESTS_NEED)
	@$(MAKE) -s $(NPM)
	go test -vet=off -p 2 -timeout 60m $(TESTFLAGS) ./...

race: ## the same under the race detector (wants a C compiler)
	@.ci/need go $(TESTS_NEED) gcc
	@$(MAKE) -s $(NPM)
	CGO_ENABLED=1 go test -race -vet=off -p 2 -timeout 60m $(TESTFLAGS) ./...

build: ## bin/postern, bin/postern-desk, bin/postern-window, bin/postern-demo
	@.ci/need go
	@mkdir -p bin
	go build -trimpath -buildvcs=false -o bin/ ./cmd/...

check: $(LINT) ## formatting, vet, lint, and which room may import which
	@.ci/need go
	@unformatted=$$(gofmt -l .); \
	if [[ -n $$unformatted ]]; then echo "run gofmt -w on:" $$unformatted >&2; exit 1; fi
	go vet ./...
	$(LINT) run
	go test -vet=off -run '^TestArrows' ./cmd/postern

# The linter is pinned, built from source (about 90 s, once) and kept out of go.mod.
$(LINT):
	@.ci/need go
	@echo "building golangci-lint $(LINT_VERSION) into .tools"
	@mkdir -p .tools
	@GOBIN=$(CURDIR)/.tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@mv .tools/golangci-lint $@

# What tests take from npm is pinned by a lock and runs no script of its own on the way.
$(NPM): $(NPM_LOCK)
	@.ci/need node npm
	@echo "fetching html-validate and axe-core with npm into $@"
	@rm -rf $@ $@.new && mkdir -p $@.new && cp $(dir $(NPM_LOCK))package*.json $@.new
	@cd $@.new && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null || { \
		echo "postern: npm could not fetch what $(NPM_LOCK) names: its words are above. Try again when the network is there." >&2; exit 1; }
	@mv $@.new $@ && touch $@

fuzz: ## every fuzz target for FUZZTIME each
	@.ci/need go
	@for package in $$(go list ./...); do \
		for target in $$(go test -vet=off -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "go test -fuzz $$target $$package"; \
			go test -vet=off -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$package; \
		done; \
	done

bench: ## every benchmark, each figure beside the limit measured in the same run
	@.ci/need go tor
	go test -vet=off -p 1 -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -timeout 120m ./...

pictures: ## the READMEs' pictures anew, from the running programs
	@.ci/need go $(TESTS_NEED)
	POSTERN_PICTURES=yes go test -vet=off -count=1 -run '^TestDay$$/^laptop$$' ./cmd/postern-desk
	POSTERN_PICTURES=yes go test -vet=off -count=1 -run '^TestPicture$$' ./web

# The server's half only: the desk belongs on the machine without a network.
# DESTDIR stages the files for a package: no user, no systemd.
install: ## the server on this machine, as root: user, directories, systemd unit
	@[[ -n "$(DESTDIR)" || $$EUID == 0 ]] || { echo "postern: run make install as root" >&2; exit 1; }
	@.ci/need go $(if $(DESTDIR),,tor)
	@$(MAKE) build
	@if [[ -z "$(DESTDIR)" ]] && ! getent passwd postern >/dev/null; then \
		useradd --system --user-group --home-dir $(STATEDIR) --no-create-home --shell /usr/sbin/nologin postern; \
	fi
	install -D -m 0755 bin/postern $(DESTDIR)$(PREFIX)/bin/postern
	install -D -m 0644 cmd/postern/postern.service $(DESTDIR)$(UNITDIR)/postern.service
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/postern cmd/postern/README.md SECURITY.md LICENSE
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/doc/postern/pages cmd/postern/pages/*.md
	install -d -m 0700 $(DESTDIR)$(STATEDIR)
	@if [[ -z "$(DESTDIR)" ]]; then \
		chown postern:postern $(STATEDIR); \
		if [[ -d /run/systemd/system ]]; then systemctl daemon-reload; fi; \
		echo "postern: installed and not started. cmd/postern/README.md says what comes next."; \
	fi

clean: ## what was built here
	rm -rf bin .tools
