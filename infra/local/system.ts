// A whole system on this machine: one state directory, the workers, and a runner where one is wanted. What dies is started again.
import path from "node:path"
import { requireFreePort } from "./free-port.ts"
import { type LocalKeys, localKeys } from "./keys.ts"
import { migrate } from "./migration.ts"
import { ProcessTable } from "./processes.ts"
import { requireRoom, untilRoom } from "./room.ts"
import { localSecrets } from "./secrets.ts"
import { inState } from "./state-file.ts"
import { lockState } from "./state-lock.ts"
import { Supervised } from "./supervised.ts"
import { tellingHowLong } from "./telling-how-long.ts"
import { startsWorkers, urlOf, workersReady, workersSilent } from "./workers.ts"

export interface SystemOptions {
  readonly root: string
  readonly stateDirectory: string
  readonly port: number
  readonly say: (line: string) => void
}

export class LocalSystem {
  readonly url: string
  /** Holds the admin key. */
  readonly secretsFile: string
  readonly adminKey: string
  readonly #options: SystemOptions
  readonly #table: ProcessTable
  readonly #workers: Supervised
  #runner: Supervised | undefined
  readonly #stopping = new AbortController()

  /** Takes the state directory. Throws `StateInUse` or `StateUnusable`. */
  constructor(options: SystemOptions) {
    const { root, stateDirectory, port, say } = options
    inState(stateDirectory, () => lockState(stateDirectory, port))
    const { envFile, adminKey } = localSecrets(stateDirectory)
    const url = urlOf(port)
    this.url = url
    this.secretsFile = envFile
    this.adminKey = adminKey
    this.#options = options
    const table = new ProcessTable(stateDirectory)
    this.#table = table
    this.#workers = new Supervised(
      {
        title: "the workers",
        start: () => startsWorkers(table, { root, stateDirectory, port, envFile }),
        ready: (service) => workersReady(service, url),
        failed: (service, signal) => workersSilent(service, url, signal),
      },
      { say, whenPossible: this.#whenRoom },
    )
  }

  /** Aborts when the system is stopped: what waits for its gateway then waits in vain. */
  get stopping(): AbortSignal {
    return this.#stopping.signal
  }

  readonly #whenRoom = (signal: AbortSignal): Promise<boolean> =>
    untilRoom(this.#options.stateDirectory, this.#options.say, signal)

  /** Resolves when the gateway answers. Throws `PortInUse`, `StateUnusable`, or what keeps the workers from starting. */
  async start(): Promise<LocalKeys> {
    const { root, stateDirectory, port, say } = this.#options
    await this.#table.endAll()
    requireRoom(stateDirectory)
    await requireFreePort(port)
    this.stopping.throwIfAborted()
    say("starting the workers")
    return tellingHowLong("the workers are starting", { say, signal: this.stopping }, async () => {
      await migrate(this.#table, { root, stateDirectory, say })
      await this.#workers.start()
      return localKeys(stateDirectory, { url: this.url, adminKey: this.adminKey, signal: this.stopping })
    })
  }

  /** Rejects after `stop`: nobody would end that runner. */
  async startRunner(token: string): Promise<void> {
    this.stopping.throwIfAborted()
    const { root, stateDirectory, say } = this.#options
    const program = path.join(root, "gpu-runner/cli/yohaku.mjs")
    const runnerArguments = ["runner", "--url", this.url, "--directory", path.join(stateDirectory, "runner")]
    this.#runner = new Supervised(
      {
        title: "the runner",
        start: () =>
          this.#table.start(
            "runner",
            process.execPath,
            [program, ...runnerArguments],
            { ...process.env, YOHAKU_RUNNER_TOKEN: token },
            root,
          ),
        ready: () => Promise.resolve(),
      },
      { say, whenPossible: this.#whenRoom },
    )
    await this.#runner.start()
  }

  /** Rejects when the workers or the runner are given up. */
  orGivenUp<A>(work: Promise<A>): Promise<A> {
    return orFirstLoss(work, this.#runner === undefined ? [this.#workers] : [this.#workers, this.#runner])
  }

  /** Serves until `stopped`. A runner that is given up is told and leaves a gateway that goes on taking labels. */
  async serve(stopped: Promise<void>): Promise<void> {
    void this.#runner?.givenUp.then(({ message }) =>
      this.#options.say(`${message}. Labels are taken on; nothing is trained before the next start`),
    )
    await orFirstLoss(stopped, [this.#workers])
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the system is stopped; start another"))
    await this.#runner?.stop()
    await this.#workers.stop()
    // A migration under way, which nobody keeps running.
    await this.#table.endAll()
  }
}

const orFirstLoss = <A>(work: Promise<A>, parts: readonly Supervised[]): Promise<A> =>
  Promise.race([
    work,
    ...parts.map(async ({ givenUp }): Promise<never> => {
      throw await givenUp
    }),
  ])
