#!/bin/bash
# Stands in for the official image's entrypoint: first start makes the cluster, later ones only run it.
set -Eeuo pipefail

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

case "${1:-}" in -*) set -- postgres "$@" ;; esac

prepare_as_root() {
  mkdir -p "$PGDATA" /var/run/postgresql
  chmod 0700 "$PGDATA" || true
  find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
  chown postgres /var/run/postgresql && chmod 3777 /var/run/postgresql || true
}

create_cluster() {
  if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
    echo "Error: Database is uninitialized and superuser password is not specified: set POSTGRES_PASSWORD." >&2
    exit 1
  fi
  # Ten thousand fsyncs of an empty cluster prove nothing; one sync at the end does.
  # shellcheck disable=SC2086
  initdb --username="$user" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-}") --no-sync \
    --auth-local=trust --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-}
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >> "$PGDATA/pg_hba.conf"
}

# The temporary server listens on the socket only, so that nobody mistakes it for the real one.
run_first_start_scripts() {
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  if [ "$database" != postgres ]; then
    psql -X -v ON_ERROR_STOP=1 --no-password -U "$user" -d postgres --set db="$database" \
      <<< 'CREATE DATABASE :"db";'
  fi
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh) bash "$file" ;;
      *.sql) psql -X -v ON_ERROR_STOP=1 --no-password -U "$user" -d "$database" -f "$file" ;;
    esac
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
  sync "$PGDATA"
}

if [ "${1:-}" = postgres ]; then
  if [ "$(id -u)" = 0 ]; then
    prepare_as_root
    exec gosu postgres "$0" "$@"
  fi
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    create_cluster
    run_first_start_scripts
    echo 'PostgreSQL init process complete; ready for start up.'
  else
    echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
  fi
fi
exec "$@"
