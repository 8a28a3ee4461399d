import { expect, test } from "vitest";
import type { ContainerState } from "../../../src/model/stack.ts";
import { findSecrets } from "../../../src/stack/find-secrets.ts";

const cases = [
  [{ POSTGRES_PASSWORD: "hunter22" }, ["hunter22"]],
  [{ OPENAI_API_KEY: "sk-123456", Jwt__Secret: "abcdef" }, ["sk-123456", "abcdef"]],
  [{ ConnectionStrings__Db: "Host=db;Username=u;Password=in;string" }, ["in"]],
  [{ URL: "amqp://user:p%40ss1@host:5672/" }, ["p%40ss1", "p@ss1"]],
  [{ POSTGRES_PASSWORD_FILE: "/run/secrets/db", PATH: "/usr/bin", HOME: "/root" }, []],
  [{ USE_TOKEN: "true", TOKEN_SECONDS: "86400" }, []],
] as const;

test.each(cases)("the secrets in %o", (environment, secrets) => {
  const container = { environment } as unknown as ContainerState;
  const long = secrets.filter((secret) => secret.length >= 5);
  expect(new Set(findSecrets([container], []))).toEqual(new Set(long));
});
