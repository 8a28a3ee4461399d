import { randomBytes } from "node:crypto";

/** Everything secret that is put into one lab stack. */
export interface StackSecrets {
  readonly postgresPassword: string;
  readonly qdrantKey: string;
  readonly redisPassword: string;
  readonly rabbitmqPassword: string;
  /** The 32 bytes of security/vault.key. */
  readonly vaultKey: Buffer;
  /** Plain texts of the credentials that are kept encrypted, by file and id. */
  readonly credentials: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** A text that is stored in the clear in one place of each store. */
  readonly markers: Readonly<
    Record<"file" | "database" | "role" | "qdrant" | "redis" | "rabbitmq", string>
  >;
}

/** Makes secrets of a new stack. The passwords hold characters that shells and Compose treat specially. */
export function makeSecrets(): StackSecrets {
  const text = (kind: string) => `${kind}-${randomBytes(12).toString("hex")}`;
  const odd = (kind: string) => `${text(kind)}$HOME&%s`;
  return {
    postgresPassword: odd("pgpass"),
    qdrantKey: text("qdrantkey"),
    redisPassword: odd("redispass"),
    rabbitmqPassword: odd("rabbitpass"),
    vaultKey: randomBytes(32),
    credentials: {
      "models.json": { gpt: text("apikey"), claude: text("apikey"), local: text("apikey") },
      "channels.json": { telegram: text("token"), slack: text("token") },
      "tts.json": { voice: text("ttskey") },
    },
    markers: {
      file: text("marker-file"),
      database: text("marker-database"),
      role: text("rolepass"),
      qdrant: text("marker-qdrant"),
      redis: text("marker-redis"),
      rabbitmq: text("marker-rabbitmq"),
    },
  };
}

/** All of them as texts; the vault's key in hex, base64 and (as latin1) its bytes. */
export function secretTexts(secrets: StackSecrets): string[] {
  const { postgresPassword, qdrantKey, redisPassword, rabbitmqPassword, vaultKey } = secrets;
  return [
    ...[postgresPassword, qdrantKey, redisPassword, rabbitmqPassword],
    ...(["hex", "base64", "latin1"] as const).map((form) => vaultKey.toString(form)),
    ...Object.values(secrets.credentials).flatMap((entries) => Object.values(entries)),
    ...Object.values(secrets.markers),
  ];
}
