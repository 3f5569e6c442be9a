// The secrets of a local system: made once, kept in a file that only this user may read, handed to the workers as an env file.
import { randomBytes } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { inState, StateUnusable, writeStateFile } from "./state-file.ts"

export interface LocalSecrets {
  readonly pepper: string
  readonly adminKey: string
}

/** Reads or makes `<stateDirectory>/secrets.env`, in the form wrangler reads (`NAME=value` lines). Throws `StateUnusable`. */
export const localSecrets = (stateDirectory: string): LocalSecrets & { readonly envFile: string } => {
  const envFile = path.join(stateDirectory, "secrets.env")
  if (!existsSync(envFile)) {
    const lines = [
      `YOHAKU_PEPPER=${randomBytes(32).toString("hex")}`,
      `YOHAKU_ADMIN_KEY=yhk_local_admin_${randomBytes(32).toString("hex")}`,
    ]
    writeStateFile(envFile, `${lines.join("\n")}\n`, "secret")
  }
  const values = new Map(
    inState(stateDirectory, () => readFileSync(envFile, "utf8"))
      .split("\n")
      .filter((line) => line.includes("="))
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)] as const),
  )
  const [pepper, adminKey] = [values.get("YOHAKU_PEPPER"), values.get("YOHAKU_ADMIN_KEY")]
  if (pepper && adminKey) return { envFile, pepper, adminKey }
  throw new StateUnusable(
    `${envFile} holds no YOHAKU_PEPPER or no YOHAKU_ADMIN_KEY: restore it, for all keys and webhook secrets depend on it, or start from nothing with another --state DIRECTORY`,
  )
}
