/**
 * The default node name, as in RabbitMQ's guide "Configuration": `rabbit` or `RABBITMQ_NODENAME`, then `@` and the host
 * name. The host name is cut at its first dot unless long names are enabled.
 *
 * @returns undefined if the node name contains an unknown host name.
 */
export function brokerNode(
  environment: Readonly<Record<string, unknown>>,
  hostname: string | undefined,
): string | undefined {
  const given = environment.RABBITMQ_NODENAME || "rabbit";
  if (typeof given !== "string" || given.includes("@")) return String(given);
  if (hostname === undefined) return undefined;
  const isLong = environment.RABBITMQ_USE_LONGNAME === "true";
  return `${given}@${isLong ? hostname : hostname.split(".")[0]}`;
}
