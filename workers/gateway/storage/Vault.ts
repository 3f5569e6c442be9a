// What the pepper is for: keyed hashes of API key secrets, and sealing of what must be shown or used again.
import { Context, Effect, Layer } from "effect"
import { Base64 } from "effect/encoding"
import { bytesToHex } from "#shared/formats/digest.ts"
import { Environment } from "../Environment.ts"

const utf8 = new TextEncoder()
const IV_BYTES = 12

const hmacKey = (secret: string, usage: "sign" | "verify") =>
  crypto.subtle.importKey("raw", utf8.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, [usage])

/** AES-256-GCM under a key of its own (HKDF-SHA-256 of the pepper), so that hashes and seals share no key. */
const sealingKey = async (pepper: string, usage: "encrypt" | "decrypt") => {
  const material = await crypto.subtle.importKey("raw", utf8.encode(pepper), "HKDF", false, ["deriveKey"])
  const info = utf8.encode("yohaku/gateway/seal/v1")
  return crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info },
    material,
    { name: "AES-GCM", length: 256 },
    false,
    [usage],
  )
}

/** Compares without telling, by its duration, where the two differ. */
export const isEqual = async (one: string, other: string): Promise<boolean> => {
  const [a, b] = await Promise.all([one, other].map((text) => crypto.subtle.digest("SHA-256", utf8.encode(text))))
  return crypto.subtle.timingSafeEqual(a!, b!)
}

/** Random bytes, lower-case hex. */
export const randomHex = (bytes: number): string => bytesToHex(crypto.getRandomValues(new Uint8Array(bytes)))

export class Vault extends Context.Service<
  Vault,
  {
    /** HMAC-SHA-256 under the pepper, hex. */
    readonly hash: (secret: string) => Effect.Effect<string>
    /** Base64 of nonce and ciphertext. `purpose` is authenticated: what is sealed for one purpose opens for no other. */
    readonly seal: (text: string, purpose: string) => Effect.Effect<string>
    /** Dies when the text was not sealed here for this purpose, which means that the pepper was changed. */
    readonly open: (sealed: string, purpose: string) => Effect.Effect<string>
  }
>()("yohaku/gateway/Vault") {
  static readonly layer = Layer.effect(
    Vault,
    Effect.map(Environment, ({ YOHAKU_PEPPER: pepper }) =>
      Vault.of({
        hash: (secret) =>
          Effect.promise(async () => {
            const key = await hmacKey(pepper, "sign")
            return bytesToHex(new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8.encode(secret))))
          }),
        seal: (text, purpose) =>
          Effect.promise(async () => {
            const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
            const parameters = { name: "AES-GCM", iv, additionalData: utf8.encode(purpose) }
            const key = await sealingKey(pepper, "encrypt")
            const sealed = new Uint8Array(await crypto.subtle.encrypt(parameters, key, utf8.encode(text)))
            return Base64.encode(new Uint8Array([...iv, ...sealed]))
          }),
        open: (sealed, purpose) =>
          Effect.promise(async () => {
            const bytes = Uint8Array.from(atob(sealed), (character) => character.charCodeAt(0))
            const [iv, ciphertext] = [bytes.slice(0, IV_BYTES), bytes.slice(IV_BYTES)]
            const parameters = { name: "AES-GCM", iv, additionalData: utf8.encode(purpose) }
            return new TextDecoder().decode(
              await crypto.subtle.decrypt(parameters, await sealingKey(pepper, "decrypt"), ciphertext),
            )
          }),
      }),
    ),
  )
}
