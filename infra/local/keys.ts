// The two API keys that a local system makes for itself: its runner's, and an operator's. Keys are shown once, so they are kept in
// the state directory, readable by this user only.
import { randomUUID } from "node:crypto"
import path from "node:path"
import { call, request } from "./http.ts"
import { hasTexts, readStateFile, writeStateFile } from "./state-file.ts"

export interface LocalKeys {
  readonly runnerKey: string
  readonly operatorKey: string
}

export interface Administration {
  readonly url: string
  readonly adminKey: string
  readonly signal?: AbortSignal | undefined
}

/** Makes an API key. */
export const makeKey = async (
  { url, adminKey, signal }: Administration,
  label: string,
  scopes: readonly string[],
): Promise<string> =>
  (
    await call<{ key: string }>(url, "POST", "/v1/keys", {
      key: adminKey,
      body: { label, scopes },
      idempotencyKey: randomUUID(),
      signal,
    })
  ).key

/** Whether the gateway knows a key, whatever it may do: one that was revoked, or is of another database, is unknown. */
export const isKnownKey = async ({ url, signal }: Administration, key: string): Promise<boolean> =>
  (await request(url, "GET", "/v1/status", { key, signal })).status !== 401

/** Writes a file of secrets. Throws `StateUnusable`. */
export const writeSecrets = (file: string, secrets: object): void =>
  writeStateFile(file, JSON.stringify(secrets, null, 2), "secret")

const areKeys = (value: unknown): value is LocalKeys => hasTexts(value, "runnerKey", "operatorKey")

/** The keys that are kept, or new ones where the gateway refuses one of them. Throws `StateUnusable`. */
export const localKeys = async (stateDirectory: string, administration: Administration): Promise<LocalKeys> => {
  const file = path.join(stateDirectory, "keys.json")
  const kept = readStateFile(file, areKeys, "delete it, and the next start makes new keys")
  if (
    kept !== undefined &&
    (await isKnownKey(administration, kept.runnerKey)) &&
    (await isKnownKey(administration, kept.operatorKey))
  )
    return kept
  const keys: LocalKeys = {
    runnerKey: await makeKey(administration, "runner on this machine", ["runner"]),
    operatorKey: await makeKey(administration, "operator", ["read", "train", "promote"]),
  }
  writeSecrets(file, keys)
  return keys
}
