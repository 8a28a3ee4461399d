#!/bin/bash
# Stands in for the official image's entrypoint: first start makes the database and its user, later ones only run it.
set -Eeuo pipefail

data=/var/lib/mysql
done=$data/.made

value() {
  local file="${1}_FILE"
  if [ -n "${!file:-}" ]; then cat "${!file}"; else printf '%s' "${!1:-}"; fi
}

make_database() {
  local root database user password
  root=$(value MARIADB_ROOT_PASSWORD) database=$(value MARIADB_DATABASE)
  user=$(value MARIADB_USER) password=$(value MARIADB_PASSWORD)
  mariadb-install-db --datadir="$data" --auth-root-authentication-method=normal --skip-test-db >/dev/null
  mariadbd --skip-networking --socket=/run/mysqld/first.sock &
  local server=$!
  until mariadb-admin --socket=/run/mysqld/first.sock ping >/dev/null 2>&1; do sleep 0.1; done
  mariadb --socket=/run/mysqld/first.sock -u root <<SQL
CREATE DATABASE IF NOT EXISTS \`$database\`;
CREATE USER IF NOT EXISTS '$user'@'%' IDENTIFIED BY '$password';
GRANT ALL ON \`$database\`.* TO '$user'@'%';
ALTER USER root@localhost IDENTIFIED BY '$root';
SQL
  kill "$server"
  wait "$server" || true
  touch "$done"
}

if [ "${1:-}" = mariadbd ]; then
  if [ "$(id -u)" = 0 ]; then
    install -d -o mysql -g mysql /run/mysqld
    chown mysql: "$data"
    exec gosu mysql "$0" "$@"
  fi
  [ -e "$done" ] || make_database
fi
exec "$@"
