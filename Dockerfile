# The image of the operator: one static binary, the certificates of public authorities, licences. No shell.
#
#   make image      builds it with docker, or without an engine and a registry with buildah, and looks at what came out
#
# The same commit gives the same image: times are those of the commit (SOURCE_DATE_EPOCH), paths of the builder are not in the
# binary. Each architecture is built on a machine of its own, so there is no cross compiler here.

# Give RUST_IMAGE a digest (rust:1.95.0-alpine@sha256:...) to build from exactly one base. Its version is that of
# rust-toolchain.toml; that file stays outside, because it would install formatter and linter too.
ARG RUST_IMAGE=rust:1.95.0-alpine

# ---- Build. Alpine's own Rust target is musl, which links statically.
FROM ${RUST_IMAGE} AS build
WORKDIR /build

# Writes into the binary which crates it is made of, for scanners; its version is that of tools/cargo-tool.
ARG AUDITABLE=0.7.7
RUN cargo install --quiet --locked cargo-auditable@${AUDITABLE}

# First the dependencies alone, with empty programs in place of ours: this layer stays until Cargo.lock changes.
ENV RUSTFLAGS="-C link-arg=-Wl,-z,pack-relative-relocs --remap-path-prefix=/usr/local/cargo=/cargo"
COPY Cargo.toml Cargo.lock ./
COPY connectwise-sim/Cargo.toml connectwise-sim/
COPY stack/Cargo.toml stack/
RUN mkdir -p src tests/it tests/chart connectwise-sim/src connectwise-sim/tests/it stack/src \
 && for main in src tests/it tests/chart connectwise-sim/src connectwise-sim/tests/it stack/src; do \
      echo 'fn main() {}' > "$main/main.rs"; done \
 && touch src/lib.rs connectwise-sim/src/lib.rs stack/src/lib.rs \
 && cargo auditable build --profile image --locked --package meterwise --bin meterwise

# The licences of all of them.
COPY LICENSE ./
COPY tools/licenses tools/
RUN tools/licenses /licenses

# Then ours. `touch`, because the files may be older than what was built from the empty ones.
COPY src ./src
RUN touch src/lib.rs src/main.rs \
 && cargo auditable build --profile image --locked --package meterwise --bin meterwise \
 && cp target/image/meterwise /meterwise

# ---- What is shipped.
FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=
LABEL org.opencontainers.image.title="meterwise" \
      org.opencontainers.image.description="Meters VMware virtual machines and keeps ConnectWise Manage agreements in step" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /licenses /licenses
COPY --from=build /meterwise /meterwise
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/meterwise"]
CMD ["run"]
