# Needs Rust, Go and bash, and nothing else: what the tests and the demo run on is built from pinned sources, once, into
# ~/.cache/meterwise. Each target is a few lines; anything longer is in stack/ (Rust) or tools/build.

.DEFAULT_GOAL := help
.PHONY: help demo test matrix up down status build build-tests tools fmt lint crds chart chart-docs chart-test chart-previous image deny sbom conformance model mutants bench billing-check

# Where cargo puts its binaries.
BINARIES := $(or $(CARGO_TARGET_DIR),target)/debug

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Start everything, watch machines become billed agreements, compare, and stop
	@$(MAKE) --no-print-directory -j2 tools build
	@$(BINARIES)/stack demo

test: ## Run every test: unit, property, and against a real Kubernetes API and simulators
	@$(MAKE) --no-print-directory -j2 tools build-tests
	cargo test --workspace --locked
	@tools/browser >/dev/null 2>&1 || echo "not included: the billing report as a browser draws it; tools/browser --install gets one"
	@test -n "$$CONNECTWISE_SIM_TRAFFIC" || echo "not included: make conformance CONNECTWISE_OPENAPI=path, which needs the vendor's API document"

conformance: ## Run every test and hold its traffic against the vendor's document (CONNECTWISE_OPENAPI=path)
	@tools/conformance "$(CONNECTWISE_OPENAPI)"

model: ## Check the create protocol in every order of everything, within bounds (docs/model.md)
	@MODEL_BOUNDS=large tools/counted protocol::model::scenarios::every_order_of_everything '[1-9][0-9]* states, 0 violations'

billing-check: ## Live two years of billing in every combination, and compare every invoice with sums by hand
	@BILLING_ANSWERS=every tools/counted billing::two_years_are_charged_as_on_paper '.* [1-9][0-9]* invoices compared, 0 cents off'

mutants: ## Break the program on purpose, and see that the tests notice (docs/mutants.md)
	@tools/mutants/run

bench: ## Measure reading a vCenter and a first sync, beside govc and beside a script (release build)
	@$(MAKE) --no-print-directory tools
	cargo build --workspace --release --locked
	@$(dir $(BINARIES))release/stack bench

matrix: ## Try every fault at every request; ends with how many cases and violations
	@tools/counted matrix::matrix '[1-9][0-9]* cases, 0 violations'

up: ## Start the local stack and leave it running (OPERATOR=0: without operator and examples)
	@$(MAKE) --no-print-directory -j2 tools build
	@$(BINARIES)/stack up

# These two take what is built already: a change that does not compile must not be in the way of stopping.
down: $(BINARIES)/stack ## Stop what `make up` started, and nothing else
	@$(BINARIES)/stack down

status: $(BINARIES)/stack ## Say what of the local stack is running
	@$(BINARIES)/stack status

$(BINARIES)/stack:
	@$(MAKE) --no-print-directory build

build: ## Build the operator, the ConnectWise simulator and the local stack (debug)
	cargo build --workspace --locked

build-tests:
	cargo test --workspace --locked --no-run

tools: ## Build what is missing of etcd, Kubernetes, vcsim, govc and helm
	@tools/build

fmt: ## Format the code
	cargo fmt --all

lint: ## Check formatting, and let clippy read everything
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --test chart --locked -- -D warnings

crds: build ## Generate crds/ from the types in src/api, and copy them into the chart
	$(BINARIES)/meterwise crds --directory crds
	cp crds/*.yaml charts/meterwise/files/crds/

chart: ## Lint the charts and render them
	@tools/build helm
	PATH="$$(tools/build --print-path):$$PATH" helm lint --strict charts/*
	PATH="$$(tools/build --print-path):$$PATH" helm template meterwise charts/meterwise >/dev/null

chart-docs: ## Generate the charts' READMEs from their values
	@tools/build helm-docs
	PATH="$$(tools/build --print-path):$$PATH" helm-docs --chart-search-root charts --sort-values-order file --log-level warning

chart-previous: ## After a release: keep its chart as the one that tests upgrade from
	rm -rf tests/chart/previous/meterwise
	cp -r charts/meterwise tests/chart/previous/

chart-test: ## Install, upgrade, roll back and remove the chart on a real API server, and check all that is shipped
	@tools/build etcd kube-apiserver kube-controller-manager kubectl vcsim govc helm kubeconform actionlint helm-docs dockerfile-check monitoring-check lua-check
	cargo test --workspace --locked --test chart

image: ## Build the container image, start it, and print its size (docker, or buildah where no engine answers)
	@tools/image

deny: ## Compare what we depend on with deny.toml: bans, licences, sources (advisories need the internet)
	@tools/cargo-tool cargo-deny
	PATH="$$(tools/cargo-tool --path cargo-deny):$$PATH" cargo deny --locked check bans licenses sources

sbom: ## Write the bill of materials of the operator: target/meterwise.cdx.json
	@tools/cargo-tool cargo-cyclonedx
	@tools/sbom target/meterwise.cdx.json
