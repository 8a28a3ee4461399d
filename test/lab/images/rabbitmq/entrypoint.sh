#!/bin/bash
# Stands in for the official image's entrypoint. RabbitMQ itself reads RABBITMQ_DEFAULT_USER, _PASS and _VHOST.
set -euo pipefail

# Whole or absent, never half written: rabbitmqctl may already be waiting for it.
make_cookie() {
  local cookie=/var/lib/rabbitmq/.erlang.cookie
  if [ -s "$cookie" ]; then return; fi
  (umask 0377 && head -c 30 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' > "$cookie.new")
  mv "$cookie.new" "$cookie"
}

if [ "${1:-}" = rabbitmq-server ]; then
  if [ "$(id -u)" = 0 ]; then
    find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq '{}' +
    exec gosu rabbitmq "$0" "$@"
  fi
  make_cookie
  # Erlang sizes its port table by this limit: the engine's default of a billion costs gigabytes and seconds.
  ulimit -n 65536 2> /dev/null || true
fi
exec "$@"
