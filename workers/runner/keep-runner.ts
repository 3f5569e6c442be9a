// When the container with the runner starts and ends. What costs is its time: it runs while a run or an evaluation does, and no longer.

/** Of a Durable Object's container, what is used here. */
export interface RunnerProcess {
  readonly running: boolean
  start(options: { readonly env: Record<string, string>; readonly enableInternet: boolean }): void
  signal(signal: number): void
  setInactivityTimeout(durationMs: number): Promise<void>
}

/** What a runner is told by its environment; what is not set is left out. */
export interface RunnerEnvironment {
  /** The gateway's public address. */
  readonly YOHAKU_URL: string
  /** An API key with the scopes `runner` and `read`. */
  readonly YOHAKU_RUNNER_TOKEN: string
  /** The endpoint whose judges it may ask, and its key. */
  readonly YOHAKU_JUDGE_URL?: string
  readonly YOHAKU_JUDGE_KEY?: string
}

const toldOf = (env: RunnerEnvironment): Record<string, string> => {
  const { YOHAKU_URL, YOHAKU_RUNNER_TOKEN, YOHAKU_JUDGE_URL, YOHAKU_JUDGE_KEY } = env
  const all = { YOHAKU_URL, YOHAKU_RUNNER_TOKEN, YOHAKU_JUDGE_URL, YOHAKU_JUDGE_KEY }
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => Boolean(entry[1])))
}

/** How long it goes on when nobody asks for it any more: this worker was deleted, or the gateway does not answer. */
export const UNASKED_MS = 15 * 60_000
const SIGTERM = 15

type Counts = Readonly<Record<string, number>>

/**
 * Starts what is needed, and lets end what is not: the runner ends at SIGTERM, and a job that it had is handed out again. A container that
 * was ended from outside, by a host that was restarted or a lack of memory, is started again by the next call.
 */
export async function keepRunner(container: RunnerProcess, isNeeded: boolean, env: RunnerEnvironment): Promise<void> {
  if (!isNeeded) {
    if (container.running) container.signal(SIGTERM)
    return
  }
  if (!container.running) container.start({ env: toldOf(env), enableInternet: true })
  await container.setInactivityTimeout(UNASKED_MS)
}

/** Whether a run or an evaluation is under way, from the answer to `GET /v1/status`. Throws for a refusal: then nothing is started and nothing ended. */
export async function isWorkUnderWay(answer: Response): Promise<boolean> {
  if (!answer.ok)
    throw new Error(
      `the gateway answered ${answer.status}: YOHAKU_RUNNER_TOKEN needs the scopes runner and read. It said: ${(await answer.text()).slice(0, 500)}`,
    )
  const { runs, evaluations } = await answer.json<Readonly<Record<"runs" | "evaluations", Counts | undefined>>>()
  return [runs, evaluations].some((counts) => (counts?.running ?? 0) > 0)
}
