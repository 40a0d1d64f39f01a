# electric-ts in one file, on nothing but a C library: `docker build -t electric-ts .`
# How to run it, and what to keep in mind: docs/deploying.md.

FROM node:22.14.0-bookworm-slim AS build
WORKDIR /src
COPY . .
# "npm" needs no other network than the package registry and makes amd64 images; for others
# "download", which fetches Deno's runtime from dl.deno.land.
ARG RUNTIME=npm
# "true" makes a program that exports traces: docs/metrics.md.
ARG OTEL_DENO=false
# What `electric-ts version` names: --build-arg BUILD_COMMIT=$(git rev-parse --short=12 HEAD)
ARG BUILD_COMMIT=unknown
RUN npx -y deno@2.9.6 task compile --runtime=${RUNTIME} --output=/out/electric-ts \
  && mkdir /out/storage

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="electric-ts" \
  org.opencontainers.image.description="Syncs subsets of Postgres to HTTP clients" \
  org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/electric-ts /electric-ts
COPY --from=build --chown=65532:65532 /out/storage /var/lib/electric-ts
ENV ELECTRIC_STORAGE_DIR=/var/lib/electric-ts
# The only place that is written to: run it with --read-only.
VOLUME /var/lib/electric-ts
USER 65532:65532
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["/electric-ts", "status", "--exit-code"]
ENTRYPOINT ["/electric-ts"]
CMD ["serve"]
