import { expect, it } from "vitest";
import { environmentSecrets } from "../../../src/core/environment.ts";

it.each([
  [{ AWS_SECRET_ACCESS_KEY: "one" }, ["one"]],
  [{ AWS_SESSION_TOKEN: "one", AWS_CONTAINER_AUTHORIZATION_TOKEN: "two" }, ["one", "two"]],
  [{ RCLONE_CONFIG_PASS: "of the configuration" }, ["of the configuration"]],
  [{ RCLONE_CONFIG_OFFSITE_PASS: "a", RCLONE_CONFIG_OFFSITE_PASSWORD2: "b" }, ["a", "b"]],
  [{ RCLONE_CONFIG_B2_KEY: "a", RCLONE_CONFIG_DRIVE_CLIENT_SECRET: "b" }, ["a", "b"]],
  [{ RCLONE_S3_SECRET_ACCESS_KEY: "a", RCLONE_CONFIG_DRIVE_TOKEN: "b" }, ["a", "b"]],
  [{ RCLONE_AZUREBLOB_SAS_URL: "a", RCLONE_WEBDAV_BEARER_TOKEN: "b" }, ["a", "b"]],
  [{ HTTPS_PROXY: "http://me:p%40ss@proxy:3128" }, ["p%40ss", "p@ss"]],
  [{ http_proxy: "me:open@proxy:3128" }, ["open"]],
  [{ all_proxy: "socks5://me:open@proxy" }, ["open"]],
])("takes what is secret in %j for one", (environment, secrets) => {
  expect(new Set(environmentSecrets(environment))).toEqual(new Set(secrets));
});

it.each([
  { HTTPS_PROXY: "http://proxy:3128", NO_PROXY: "a:b@c" },
  { RCLONE_CONFIG: "/etc/rclone.conf", RCLONE_CONFIG_A_TYPE: "sftp", RCLONE_SFTP_KEY_FILE: "/k" },
  { AWS_REGION: "eu-north-1", AWS_WEB_IDENTITY_TOKEN_FILE: "/token", AWS_PROFILE: "off-site" },
  { RCLONE_PASSWORD_COMMAND: "pass show rclone", RCLONE_CONFIG_A_PASS: undefined },
])("lets the log show %j", (environment) => {
  expect(environmentSecrets(environment)).toEqual([]);
});
