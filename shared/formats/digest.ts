// Digests that name things: sha256 over bytes, canonical JSON, and the fingerprint of a reference model.
import type { WeightKind } from "./weights/quantisation.ts"

/** SHA-256 of bytes, or of the UTF-8 of a string, as 64 lower-case hex digits. */
export async function sha256Hex(input: Uint8Array | string): Promise<string> {
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input
  // subtle refuses views on shared memory; a copy is only made for those.
  const plain = bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes)
  return bytesToHex(new Uint8Array(await crypto.subtle.digest("SHA-256", plain)))
}

/** Lower-case hex of bytes. */
export function bytesToHex(bytes: Uint8Array): string {
  let hex = ""
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0")
  return hex
}

/** Bytes of an even number of hex digits. */
export function hexToBytes(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, index) =>
    Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16),
  )
}

/** JSON with keys sorted by UTF-16 code unit and no spaces; undefined members are left out. Throws TypeError on non-finite numbers and values JSON cannot hold. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value)
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`canonical JSON holds finite numbers only, got ${value}`)
    return JSON.stringify(value)
  }
  // A number that keeps its text (JSON.rawJSON) is that text.
  if ((JSON as unknown as { isRawJSON?(value: unknown): boolean }).isRawJSON?.(value)) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`
  if (typeof value !== "object") throw new TypeError(`canonical JSON cannot hold a ${typeof value}`)
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`)
  return `{${members.join(",")}}`
}

/** What a reference log-probability depends on besides its tokens. Digests are sha256 hex of whole files. */
export interface ReferenceIdentity {
  /** sha256 of model.safetensors */
  readonly weights: string
  /** sha256 of tokenizer.json */
  readonly tokenizer: string
  /** sha256 of the chat template's UTF-8, or "" where there is none */
  readonly template: string
}

/** Version of the log-probability code; raise it when results change by more than the agreed tolerance. */
const REFERENCE_NUMERICS_VERSION = 1

/**
 * sha256 hex of the canonical JSON of {numerics, precision, template, tokenizer, weights}. Precision says which values the weights
 * had: "f32" for the checkpoint's own (f32 or 16-bit, used exactly), else the kind that they were rounded to. All arithmetic is f32, but
 * under "mixed", where the weights are the checkpoint's and products may be rounded (weights/reference-precision.ts).
 */
export function referenceFingerprint(
  identity: ReferenceIdentity,
  precision: WeightKind | "mixed" = "f32",
): Promise<string> {
  const { weights, tokenizer, template } = identity
  return sha256Hex(canonicalJson({ numerics: REFERENCE_NUMERICS_VERSION, precision, template, tokenizer, weights }))
}
