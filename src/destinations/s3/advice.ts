import { failureKind } from "./server-error.ts";

/** The class of a failure in the result, and what a person can do about it. */
export function failureAdvice(error: unknown, bucket: string): { class: string; hint?: string } {
  switch (failureKind(error)) {
    case "no-bucket":
      return {
        class: "no-bucket",
        hint: `There is no bucket ${bucket} at this server: look at the name, or create it.`,
      };
    case "denied":
      return {
        class: "denied",
        hint: "docs/off-host.md has the policy that these credentials need; without s3:ListBucket the server denies what is not there, too.",
      };
    case "credentials":
      return {
        class: "denied",
        hint: "The server does not know these credentials: is it the right server, and are they complete?",
      };
    case "expired":
      return {
        class: "expired",
        hint: "The credentials are too old. An upload of hours needs ones that last (role-duration-seconds of aws-actions/configure-aws-credentials) or renew themselves; what was sent stays, and the next upload continues it.",
      };
    case "clock":
      return {
        class: "clock",
        hint: "The clock of this host differs from the server's by many minutes: set it.",
      };
    case "redirect":
      return {
        class: "redirect",
        hint: "Redirects are not followed: give upload-region, or upload-endpoint, of this bucket.",
      };
    case "no-s3":
      return {
        class: "no-s3",
        hint: "Give the address of the S3 service as upload-endpoint; that of its console for people is another.",
      };
    case "transient":
      return {
        class: "unreachable",
        hint: "The destination did not answer; nothing is wrong with the backup on this host.",
      };
    default:
      return { class: "remote" };
  }
}
