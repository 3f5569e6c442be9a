// A fresh system for a bench: the three workers as `npm start` starts them, in a folder of its own, with the demo's model, dataset,
// keys and endpoints. No runner: the bench is one itself, where it needs one.
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { type Provisioned, provision } from "#infra/demo/loop/provision.ts"
import { localKeys } from "#infra/local/keys.ts"
import { migrate } from "#infra/local/migration.ts"
import { ProcessTable } from "#infra/local/processes.ts"
import { localSecrets } from "#infra/local/secrets.ts"
import { startWorkers } from "#infra/local/workers.ts"
import { freePort } from "#test/system/free-port.ts"

export const root = path.resolve(import.meta.dirname, "../../..")

export interface RunningSystem {
  readonly url: string
  readonly port: number
  readonly adminKey: string
  readonly runnerKey: string
  readonly datasetId: string
  readonly provisioned: Provisioned
  /** The process group of wrangler and all that it starts. */
  readonly processGroup: number
  readonly stateDirectory: string
  readonly exited: Promise<string>
  /** Ends it and removes its state. */
  readonly stop: () => Promise<void>
}

const DATASET = "load"
/** No run starts by itself: what runs there are is the bench's own choice. */
const NEVER = 1_000_000_000

export const startSystem = async (): Promise<RunningSystem> => {
  const stateDirectory = mkdtempSync(path.join(tmpdir(), "yohaku-load-"))
  const { adminKey, envFile } = localSecrets(stateDirectory)
  const table = new ProcessTable(stateDirectory)
  await migrate(table, { root, stateDirectory, say: console.error })
  const port = await freePort()
  const workers = await startWorkers(table, { root, stateDirectory, port, envFile })
  const stop = async (): Promise<void> => {
    await workers.stop()
    rmSync(stateDirectory, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const provisioned = await provision({
      ...{ url: workers.url, adminKey, stateDirectory, datasetId: DATASET },
      modelDirectory: path.join(root, "infra/demo/model"),
      retrainThreshold: NEVER,
      retrainConfig: {},
    })
    const { runnerKey } = await localKeys(stateDirectory, { url: workers.url, adminKey })
    const { url, exited, pid } = workers
    return {
      url,
      port,
      adminKey,
      runnerKey,
      datasetId: DATASET,
      provisioned,
      processGroup: pid,
      stateDirectory,
      exited,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** A program that is told to end takes the system with it, which would go on by itself otherwise. */
export const stopOnSignal = (system: Pick<RunningSystem, "stop">): void => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => void system.stop().finally(() => process.exit(1)))
}
