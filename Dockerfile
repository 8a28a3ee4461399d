# For hosts without Node: docs/container.md. The Debian package of the program on a Debian with Docker's client and Compose:
#   node scripts/package.ts packages && docker build --file Dockerfile --tag sophon-keeper packages
ARG BASE=debian:trixie-slim

FROM ${BASE} AS package
COPY sophon-keeper_*.deb /
RUN dpkg-deb --extract /sophon-keeper_*_"$(dpkg --print-architecture)".deb /package

FROM ${BASE}
# By this label a run knows its own container, and every run ignores it: it mounts the data of the stack, and is none of it.
LABEL sophon-keeper.kind=program \
      org.opencontainers.image.title="Sophon Keeper" \
      org.opencontainers.image.source="https://github.com/sophon-keeper/sophon-keeper" \
      org.opencontainers.image.licenses=MIT
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates docker-cli docker-compose libstdc++6 \
 && rm --recursive /var/lib/apt/lists/*
COPY --from=package /package /
# By this the program knows that what is not mounted is gone with the container.
ENV KEEPER_CONTAINER=1
# Helper containers are made from this image, too, and find node on the PATH.
ENV PATH=/usr/lib/sophon-keeper/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENTRYPOINT ["sophon-keeper"]
CMD ["--help"]
