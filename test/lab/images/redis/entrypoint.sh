#!/bin/sh
# Stands in for the official image's entrypoint.
set -eu

case "${1:-}" in -* | *.conf) set -- redis-server "$@" ;; esac

if [ "$1" = redis-server ]; then
  if [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis '{}' +
    exec gosu redis "$0" "$@"
  fi
  # The official binary is built without protected mode; Debian's has it.
  case "${2:-}" in *.conf) ;; *) set -- "$@" --protected-mode no ;; esac
  umask 0077
fi
exec "$@"
