import { describeError } from "../../core/errors.ts";

/**
 * What an answer of the server means for us. `credentials`: it knows none such, or the secret is another; `expired`: their
 * time is over; `clock`: ours differs from the server's; `digest`: what arrived is not what was sent; `no-s3`: it is something else; `gone`: the multipart
 * upload has ended; `transient`: trying again may help.
 */
type FailureKind =
  | "exists"
  | "missing"
  | "gone"
  | "no-bucket"
  | "denied"
  | "credentials"
  | "expired"
  | "clock"
  | "digest"
  | "redirect"
  | "no-s3"
  | "unsupported"
  | "transient"
  | "other";

interface ServerError extends Error {
  readonly code?: string;
  readonly Code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly clockSkewCorrected?: boolean };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

const kindOfCode: Readonly<Record<string, FailureKind>> = {
  PreconditionFailed: "exists",
  NoSuchKey: "missing",
  NotFound: "missing",
  NoSuchVersion: "missing",
  NoSuchUpload: "gone",
  NoSuchBucket: "no-bucket",
  AccessDenied: "denied",
  InvalidAccessKeyId: "credentials",
  SignatureDoesNotMatch: "credentials",
  InvalidToken: "credentials",
  ExpiredToken: "expired",
  RequestTimeTooSkewed: "clock",
  BadDigest: "digest",
  InvalidDigest: "digest",
  XAmzContentSHA256Mismatch: "digest",
  XAmzContentChecksumMismatch: "digest",
  PermanentRedirect: "redirect",
  TemporaryRedirect: "redirect",
  AuthorizationHeaderMalformed: "redirect",
  NotImplemented: "unsupported",
  MethodNotAllowed: "unsupported",
  RequestTimeout: "transient",
  // One of two writers of the same key; the next look tells which of them was first.
  ConditionalRequestConflict: "transient",
  OperationAborted: "transient",
  IncompleteBody: "transient",
  SlowDown: "transient",
  TimeoutError: "transient",
};

/** Errors of the connection. A name that is not resolved is one, too: the network may come up a little later. */
const connection =
  /^(ECONN\w+|EPIPE|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|ENETDOWN|ERR_STREAM_PREMATURE_CLOSE|ERR_HTTP\w*|HPE_\w+)$/;

/** What an S3 server always tells was not in an answer: it is a page for people, of a console or of who sells the network. */
export class NoS3Error extends Error {
  constructor() {
    super("this is no answer of an S3 server");
  }
}

/** Of a list that ends in the middle nobody knows what is missing. */
export class CutOffListError extends Error {
  constructor() {
    super("the server does not tell where its list goes on");
  }
}

/** Judges an error of the SDK. */
export function failureKind(error: unknown): FailureKind {
  if (!(error instanceof Error)) return "other";
  if (error instanceof NoS3Error) return "no-s3";
  const { name, code, Code, $metadata } = error as ServerError;
  for (const word of [name, Code, code]) {
    const kind = word === undefined ? undefined : kindOfCode[word];
    if (kind !== undefined) return kind;
    if (word !== undefined && connection.test(word)) return "transient";
  }
  return kindOfStatus($metadata?.httpStatusCode, error);
}

/** Where the bucket is, if the server tells it with an error. */
function regionOf({ $response }: ServerError): string | undefined {
  return $response?.headers?.["x-amz-bucket-region"];
}

function kindOfStatus(status: number | undefined, error: ServerError): FailureKind {
  switch (status) {
    case undefined:
      // An answer that was cut off, or is not from such a server at all.
      return /socket hang up|aborted|premature|deserializ|timed? ?out/i.test(error.message)
        ? "transient"
        : "other";
    case 404:
      return "missing";
    case 412:
      return "exists";
    case 400:
      // The answer to a HEAD has no words, only this header.
      return regionOf(error) === undefined ? "other" : "redirect";
    case 401:
    case 403:
      return error.$metadata?.clockSkewCorrected === true ? "clock" : "denied";
    case 405:
    case 501:
      return "unsupported";
    case 408:
    case 409:
    case 429:
      return "transient";
    default:
      if (status >= 300 && status < 400) return "redirect";
      // A success that could not be read was cut off on its way.
      return status >= 500 || status < 300 ? "transient" : "other";
  }
}

/** The server's word for an error and its message, in one line. */
export function failureText(error: unknown): string {
  const { name, $metadata } = error as Partial<ServerError>;
  const status = $metadata?.httpStatusCode;
  const text = describeError(error).split("\n")[0] ?? "";
  const word = name === undefined || name === "Error" || text.includes(name) ? "" : `${name}: `;
  const region = failureKind(error) === "redirect" ? regionOf(error as ServerError) : undefined;
  const where = region === undefined ? "" : `: the bucket is in ${region}`;
  return `${word}${text}${status === undefined || status < 300 ? "" : ` (status ${status})`}${where}`;
}
