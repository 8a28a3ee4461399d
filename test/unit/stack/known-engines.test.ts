import { describe, expect, it } from "vitest";
import { engineAt } from "../../../src/stack/known-engines.ts";
import { kindOfImage } from "../../../src/stack/server-kind.ts";

describe("a database server without a store of its own", () => {
  it.each([
    ["mariadb:11", "MariaDB"],
    ["lscr.io/linuxserver/mariadb:latest", "MariaDB"],
    ["mysql:8.4", "MySQL"],
    ["percona:8", "MySQL"],
    ["mongo:7", "MongoDB"],
    ["bitnami/mongodb@sha256:aa", "MongoDB"],
    ["influxdb:2.7-alpine", "InfluxDB"],
    ["docker.elastic.co/elasticsearch/elasticsearch:8.14.0", "Elasticsearch"],
    ["getmeili/meilisearch:v1.8", "Meilisearch"],
    ["clickhouse/clickhouse-server:24", "ClickHouse"],
    ["quay.io/minio/minio", "MinIO"],
    ["mcr.microsoft.com/mssql/server:2022-latest", "SQL Server"],
    ["example/server:1", undefined],
    ["prom/mysqld-exporter:1", undefined],
    ["mongo-express:1", undefined],
    ["nginx:1", undefined],
  ])("is known by its image %s: %s", (image, name) => {
    expect(engineAt([image], [])).toBe(name);
  });

  it.each([
    [["ibdata1", "mysql"], "MySQL"],
    [["aria_log_control", "ibdata1"], "MariaDB"],
    [["WiredTiger", "collection-0.wt"], "MongoDB"],
    [["influxd.bolt", "engine"], "InfluxDB"],
    [["data.ms"], "Meilisearch"],
    [[".minio.sys", "bucket"], "MinIO"],
    [["PG_VERSION", "base"], "PostgreSQL"],
    [["photos", "index.html"], undefined],
  ])("is known by its files %j: %s", (names, name) => {
    expect(engineAt(["example/app:1"], names)).toBe(name);
  });

  it.each(["valkey/valkey:8", "eqalpha/keydb:latest", "bitnami/valkey"])("%s is Redis", (image) => {
    expect(kindOfImage(image)).toBe("redis");
  });
});
