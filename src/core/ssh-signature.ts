import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from "node:crypto";

/** The purpose that is signed with the text: a signature for another purpose says nothing here. */
const signatureNamespace = "sophon-keeper";

/** An Ed25519 key that signs. */
export interface SignKey {
  readonly key: KeyObject;
  /** The public half as it stands in an `.pub` file, without a comment. */
  readonly publicKey: string;
}

const keyType = "ssh-ed25519";
const magic = Buffer.from("SSHSIG");
/** PKCS #8 and SubjectPublicKeyInfo of Ed25519 (RFC 8410) are these bytes and then the key. */
const privatePrefix = Buffer.from("302e020100300506032b657004220420", "hex");
const publicPrefix = Buffer.from("302a300506032b6570032100", "hex");
const privateMagic = "openssh-key-v1\0";

/** Makes a new key. */
export function newSignKey(): SignKey {
  return signKeyOf(generateKeyPairSync("ed25519").privateKey);
}

/**
 * Reads a private key in OpenSSH's format without a passphrase, or in PEM (PKCS #8).
 *
 * @throws Error that says what is wrong with it.
 */
export function parseSignKey(text: string): SignKey {
  const [, body] =
    /^-----BEGIN OPENSSH PRIVATE KEY-----\s([\w+/=\s]+)-----END OPENSSH PRIVATE KEY-----\s*$/.exec(
      text,
    ) ?? [];
  if (body === undefined) {
    const key = createPrivateKey(text);
    if (key.asymmetricKeyType !== "ed25519") throw new Error("it is not an Ed25519 key");
    return signKeyOf(key);
  }
  const bytes = Buffer.from(body, "base64");
  if (bytes.subarray(0, privateMagic.length).toString("latin1") !== privateMagic) {
    throw new Error("it is not a private key of OpenSSH");
  }
  const outer = new Fields(bytes.subarray(privateMagic.length));
  const cipher = outer.text();
  if (cipher !== "none") throw new Error("it has a passphrase");
  outer.skip(2);
  outer.number();
  outer.skip(1);
  const inner = new Fields(outer.bytes());
  inner.number();
  inner.number();
  if (inner.text() !== keyType) throw new Error("it is not an Ed25519 key");
  inner.skip(1);
  const seed = inner.bytes().subarray(0, 32);
  const der = Buffer.concat([privatePrefix, seed]);
  return signKeyOf(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
}

/** The private key in OpenSSH's format, so that its own tools read it. */
export function formatSignKey({ key, publicKey }: SignKey, comment: string): string {
  const blob = blobOf(publicKey);
  const seed = key.export({ format: "der", type: "pkcs8" }).subarray(privatePrefix.length);
  const raw = blob.subarray(-32);
  const check = randomBytes(4);
  const inner = Buffer.concat([
    ...[check, check, field(keyType), field(raw), field(Buffer.concat([seed, raw]))],
    field(comment),
  ]);
  const padding = Buffer.from(Array.from({ length: -inner.length & 7 }, (_, at) => at + 1));
  const bytes = Buffer.concat([
    ...[Buffer.from(privateMagic, "latin1"), field("none"), field("none"), field("")],
    ...[numberOf(1), field(blob), field(Buffer.concat([inner, padding]))],
  ]);
  return armored("OPENSSH PRIVATE KEY", bytes);
}

/** Signs a text in OpenSSH's format (PROTOCOL.sshsig). */
export function signText(text: string, { key, publicKey }: SignKey): string {
  const signature = sign(null, signedBytes(text), key);
  const bytes = Buffer.concat([
    ...[magic, numberOf(1), field(blobOf(publicKey)), field(signatureNamespace), field("")],
    ...[field("sha512"), field(Buffer.concat([field(keyType), field(signature)]))],
  ]);
  return armored("SSH SIGNATURE", bytes);
}

/**
 * Checks that a signature is of this text.
 *
 * @returns the public key that made it, as in an `.pub` file without a comment.
 * @throws Error when the signature is of another text, another purpose or another kind, or has another spelling than `ssh-keygen` and {@link signText} give it.
 */
export function signerOf(text: string, signature: string): string {
  const body = /^-----BEGIN SSH SIGNATURE-----\n([\w+/=\n]+)-----END SSH SIGNATURE-----\n$/.exec(
    signature,
  )?.[1];
  const bytes = Buffer.from(body ?? "", "base64");
  // One spelling only: each byte of the file counts.
  if (body === undefined || armored("SSH SIGNATURE", bytes) !== signature) {
    throw new Error("it is not a signature of OpenSSH");
  }
  if (!bytes.subarray(0, magic.length).equals(magic)) {
    throw new Error("it is not a signature of OpenSSH");
  }
  const fields = new Fields(bytes.subarray(magic.length));
  if (fields.number() !== 1) throw new Error("it is of another version");
  const blob = fields.bytes();
  const publicKey = publicKeyOf(blob);
  const [namespace, reserved, hash] = [fields.text(), fields.text(), fields.text()];
  if (namespace !== signatureNamespace || reserved !== "") {
    throw new Error("it was made for another purpose");
  }
  if (hash !== "sha512") throw new Error("it has another hash than sha512");
  const inner = new Fields(fields.bytes());
  fields.end();
  if (inner.text() !== keyType) throw new Error("it is not of an Ed25519 key");
  const proof = inner.bytes();
  inner.end();
  const der = Buffer.concat([publicPrefix, blob.subarray(-32)]);
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  if (!verify(null, signedBytes(text), key, proof)) throw new Error("it is of another text");
  return publicKey;
}

/**
 * The public keys in a text: lines of an `.pub` file or of an `allowed_signers` file.
 *
 * @throws Error that names the first line without an Ed25519 key.
 */
export function parsePublicKeys(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [, key] = /(?:^|\s)ssh-ed25519\s+([A-Za-z0-9+/]+=*)(?:\s|$)/.exec(line) ?? [];
      if (key === undefined) throw new Error(`"${line.slice(0, 40)}" holds no ssh-ed25519 key`);
      return publicKeyOf(Buffer.from(key, "base64"));
    });
}

/** The fingerprint as `ssh-keygen -l` shows it. */
export function keyFingerprint(publicKey: string): string {
  const digest = createHash("sha256").update(blobOf(publicKey)).digest("base64");
  return `SHA256:${digest.replace(/=+$/, "")}`;
}

function signKeyOf(key: KeyObject): SignKey {
  const raw = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  return { key, publicKey: publicKeyOf(Buffer.concat([field(keyType), field(raw)])) };
}

function publicKeyOf(blob: Buffer): string {
  const fields = new Fields(blob);
  if (fields.text() !== keyType) throw new Error("it is not an Ed25519 key");
  if (fields.bytes().length !== 32) throw new Error("it is not an Ed25519 key");
  fields.end();
  return `${keyType} ${blob.toString("base64")}`;
}

function blobOf(publicKey: string): Buffer {
  return Buffer.from(publicKey.slice(keyType.length + 1), "base64");
}

function signedBytes(text: string): Buffer {
  const hash = createHash("sha512").update(text).digest();
  return Buffer.concat([magic, field(signatureNamespace), field(""), field("sha512"), field(hash)]);
}

function armored(name: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,70}/g) ?? [];
  return [`-----BEGIN ${name}-----`, ...lines, `-----END ${name}-----`, ""].join("\n");
}

function field(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([numberOf(bytes.length), bytes]);
}

function numberOf(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Reads the fields of SSH's wire format (RFC 4251, 5). */
class Fields {
  readonly #all: Buffer;
  #at = 0;

  constructor(all: Buffer) {
    this.#all = all;
  }

  number(): number {
    if (this.#at + 4 > this.#all.length) throw new Error("it is cut short");
    const value = this.#all.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  bytes(): Buffer {
    const length = this.number();
    if (this.#at + length > this.#all.length) throw new Error("it is cut short");
    const value = this.#all.subarray(this.#at, this.#at + length);
    this.#at += length;
    return value;
  }

  text(): string {
    return this.bytes().toString("latin1");
  }

  skip(fields: number): void {
    for (let field = 0; field < fields; field++) this.bytes();
  }

  end(): void {
    if (this.#at !== this.#all.length) throw new Error("there is more than belongs to it");
  }
}
