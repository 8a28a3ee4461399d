import { imageName } from "./profile.ts";

/** A database server that has no store of its own here: how it is recognised, and its name for people. */
interface EngineMarks {
  readonly name: string;
  /** Image names without registry and tag, and names that begin with one of them and a dash. */
  readonly images: readonly string[];
  /** Names at the top of its data directory; one is enough. */
  readonly files: readonly RegExp[];
}

const engines: readonly EngineMarks[] = [
  { name: "MariaDB", images: ["mariadb"], files: [/^aria_log_control$/] },
  { name: "MySQL", images: ["mysql", "percona"], files: [/^ibdata1$/, /^mysql\.ibd$/] },
  {
    name: "MongoDB",
    images: ["mongo", "mongodb", "percona-server-mongodb"],
    files: [/^WiredTiger(\.wt|\.turtle)?$/],
  },
  { name: "FerretDB", images: ["ferretdb"], files: [] },
  {
    name: "InfluxDB",
    images: ["influxdb", "influxdb2", "influxdb3"],
    files: [/^influxd\.(bolt|sqlite)$/],
  },
  { name: "Elasticsearch", images: ["elasticsearch"], files: [/^(_state|snapshot_cache)$/] },
  { name: "OpenSearch", images: ["opensearch"], files: [] },
  { name: "Solr", images: ["solr"], files: [/^solr\.xml$/] },
  { name: "Meilisearch", images: ["meilisearch"], files: [/^data\.ms$/, /^data\.mdb$/] },
  { name: "Typesense", images: ["typesense"], files: [] },
  { name: "ClickHouse", images: ["clickhouse", "clickhouse-server"], files: [] },
  { name: "MinIO", images: ["minio"], files: [/^\.minio\.sys$/] },
  { name: "Cassandra", images: ["cassandra", "scylla"], files: [/^commitlog$/] },
  { name: "CockroachDB", images: ["cockroach"], files: [/^COCKROACHDB_VERSION$/] },
  { name: "CouchDB", images: ["couchdb"], files: [/^_dbs\.couch$/] },
  { name: "Neo4j", images: ["neo4j"], files: [/^server_id$/] },
  { name: "SQL Server", images: ["mssql", "server", "azure-sql-edge"], files: [/^mssql-conf$/] },
  { name: "Oracle Database", images: ["oracle", "oracle-xe", "oracle-free"], files: [] },
  { name: "Firebird", images: ["firebird"], files: [/\.fdb$/i] },
  { name: "SurrealDB", images: ["surrealdb"], files: [] },
  { name: "ArangoDB", images: ["arangodb"], files: [/^ENGINE$/] },
  { name: "RethinkDB", images: ["rethinkdb"], files: [/^rethinkdb_data$/] },
  { name: "Dgraph", images: ["dgraph"], files: [] },
  { name: "QuestDB", images: ["questdb"], files: [] },
  { name: "VictoriaMetrics", images: ["victoria-metrics"], files: [/^flock\.lock$/] },
  { name: "Prometheus", images: ["prometheus"], files: [/^chunks_head$/] },
  { name: "Loki", images: ["loki"], files: [] },
  { name: "Weaviate", images: ["weaviate"], files: [] },
  { name: "Milvus", images: ["milvus"], files: [] },
  { name: "Chroma", images: ["chroma"], files: [/^chroma\.sqlite3$/] },
  { name: "etcd", images: ["etcd"], files: [] },
  { name: "Consul", images: ["consul"], files: [] },
  { name: "NATS", images: ["nats"], files: [/^jetstream$/] },
  { name: "Kafka", images: ["kafka", "cp-kafka", "redpanda"], files: [/^meta\.properties$/] },
  { name: "ZooKeeper", images: ["zookeeper"], files: [] },
  { name: "OpenLDAP", images: ["openldap", "osixia-openldap"], files: [] },
  { name: "Dragonfly", images: ["dragonfly"], files: [/\.dfs$/] },
  // Known stores, but in a place that no server of the stack was found for.
  { name: "PostgreSQL", images: [], files: [/^PG_VERSION$/] },
  { name: "Redis", images: [], files: [/^appendonlydir$/, /^appendonly\.aof$/] },
  { name: "RabbitMQ", images: [], files: [/^mnesia$/] },
  { name: "RocksDB or LevelDB", images: [], files: [/^MANIFEST-\d{6}$/] },
  { name: "LMDB", images: [], files: [/^lock\.mdb$/] },
  { name: "H2", images: [], files: [/\.mv\.db$/] },
  { name: "DuckDB", images: [], files: [/\.duckdb$/] },
  { name: "Derby or Java DB", images: [], files: [/^service\.properties$/] },
];

/** Vendors whose image of this name is the engine: elsewhere the name means nothing. */
const vendors: Readonly<Record<string, RegExp>> = { server: /(^|\/)mssql\/server([:@]|$)/ };

/**
 * The name of a database server that keeps its data in a place, for a warning: by the images of the services that write
 * there, otherwise by the names of the files.
 */
export function engineAt(images: readonly string[], names: readonly string[]): string | undefined {
  const byImage = engines.find((engine) => images.some((image) => isImageOf(engine, image)));
  return (byImage ?? engines.find(({ files }) => names.some((n) => files.some((f) => f.test(n)))))
    ?.name;
}

function isImageOf(engine: EngineMarks, reference: string): boolean {
  const name = imageName(reference);
  const found = engine.images.find((one) => name === one || name.startsWith(`${one}-`));
  return found !== undefined && (vendors[found]?.test(reference) ?? !isTool(name));
}

/** An exporter or a web page for a server has its name and not its data. */
function isTool(name: string): boolean {
  return /(exporter|express|backup|client|operator|admin|console|ui|manager|proxy)$/.test(name);
}
