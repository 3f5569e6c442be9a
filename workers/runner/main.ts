// Lets a runner in a container work while runs are under way: every minute it asks the gateway whether any is. The runner itself dials out
// to the gateway by its public address; nothing calls it.
import { DurableObject } from "cloudflare:workers"
import { isRunUnderWay, keepRunner } from "./keep-runner.ts"

interface Env {
  readonly GATEWAY: Fetcher
  readonly RUNNER: DurableObjectNamespace<RunnerContainer>
  /** The gateway's public address. */
  readonly YOHAKU_URL: string
  /** An API key with the scopes `runner` and `read`. */
  readonly YOHAKU_RUNNER_TOKEN: string
}

export class RunnerContainer extends DurableObject<Env> {
  async keep(isNeeded: boolean): Promise<void> {
    const { YOHAKU_URL, YOHAKU_RUNNER_TOKEN } = this.env
    await keepRunner(this.ctx.container!, isNeeded, { YOHAKU_URL, YOHAKU_RUNNER_TOKEN })
  }
}

export default {
  async scheduled(_controller, { GATEWAY, RUNNER, YOHAKU_URL, YOHAKU_RUNNER_TOKEN }) {
    const headers = { authorization: `Bearer ${YOHAKU_RUNNER_TOKEN}` }
    const status = await GATEWAY.fetch(new URL("/v1/status", YOHAKU_URL), { headers })
    await RUNNER.getByName("runner").keep(await isRunUnderWay(status))
  },
} satisfies ExportedHandler<Env>
