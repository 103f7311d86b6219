# The image of the operator: one static binary, the certificates of public authorities, the licence. No shell.
#
#   docker build -t REGISTRY/meterwise:TAG \
#     --build-arg VERSION=$(git describe --tags --always) --build-arg REVISION=$(git rev-parse HEAD) .
#
# Needs nothing that is not in the standard builder, so buildah and podman take it too. For another architecture build
# it there, or with `--platform` and emulation.

# Give RUST_IMAGE a digest (rust:1.95.0-alpine@sha256:...) to build from exactly one base. Its version is that of
# rust-toolchain.toml; that file stays outside, because it would install formatter and linter too.
ARG RUST_IMAGE=rust:1.95.0-alpine

# ---- Build. Alpine's own Rust target is musl, which links statically.
FROM ${RUST_IMAGE} AS build
WORKDIR /build

# First the dependencies alone, with empty programs in place of ours: this layer stays until Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
COPY connectwise-sim/Cargo.toml connectwise-sim/
COPY stack/Cargo.toml stack/
RUN mkdir -p src tests/it connectwise-sim/src connectwise-sim/tests/it stack/src \
 && for main in src tests/it connectwise-sim/src connectwise-sim/tests/it stack/src; do \
      echo 'fn main() {}' > "$main/main.rs"; done \
 && touch src/lib.rs connectwise-sim/src/lib.rs stack/src/lib.rs \
 && cargo build --release --locked --package meterwise --bin meterwise

# Then ours. `touch`, because the files may be older than what was built from the empty ones.
COPY src ./src
RUN touch src/lib.rs src/main.rs \
 && cargo build --release --locked --package meterwise --bin meterwise \
 && cp target/release/meterwise /meterwise

# ---- What is shipped.
FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="meterwise" \
      org.opencontainers.image.description="Meters VMware virtual machines and keeps ConnectWise Manage agreements in step" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE /licenses/LICENSE
COPY --from=build /meterwise /meterwise
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/meterwise"]
CMD ["run"]
