// The two API keys that a local system makes for itself: its runner's, and an operator's. Keys are shown once, so they are kept in
// the state directory, readable by this user only.
import { randomUUID } from "node:crypto"
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import path from "node:path"
import { call } from "./http.ts"

export interface LocalKeys {
  readonly runnerKey: string
  readonly operatorKey: string
}

export interface Administration {
  readonly url: string
  readonly adminKey: string
}

/** Makes an API key. */
export const makeKey = async (
  { url, adminKey }: Administration,
  label: string,
  scopes: readonly string[],
): Promise<string> =>
  (
    await call<{ key: string }>(url, "POST", "/v1/keys", {
      key: adminKey,
      body: { label, scopes },
      idempotencyKey: randomUUID(),
    })
  ).key

/** Writes a file of secrets, whole or not at all. */
export const writeSecrets = (file: string, secrets: object): void => {
  writeFileSync(`${file}.new`, JSON.stringify(secrets, null, 2), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

export const localKeys = async (stateDirectory: string, administration: Administration): Promise<LocalKeys> => {
  const file = path.join(stateDirectory, "keys.json")
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")) as LocalKeys
  const keys: LocalKeys = {
    runnerKey: await makeKey(administration, "runner on this machine", ["runner"]),
    operatorKey: await makeKey(administration, "operator", ["read", "train", "promote"]),
  }
  writeSecrets(file, keys)
  return keys
}
