#!/bin/bash
# Stands in for the official image's entrypoint. RabbitMQ itself reads RABBITMQ_DEFAULT_USER, _PASS and _VHOST.
set -euo pipefail

if [ "${1:-}" = rabbitmq-server ]; then
  if [ "$(id -u)" = 0 ]; then
    find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq '{}' +
    exec gosu rabbitmq "$0" "$@"
  fi
  # Erlang sizes its port table by this limit: the engine's default of a billion costs gigabytes and seconds.
  ulimit -n 65536 2> /dev/null || true
fi
exec "$@"
