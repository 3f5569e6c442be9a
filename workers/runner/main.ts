// Lets a runner in a container work while runs or evaluations are under way: every minute it asks the gateway whether any is. The runner itself dials out
// to the gateway by its public address; nothing calls it.
import { DurableObject } from "cloudflare:workers"
import { isWorkUnderWay, keepRunner, type RunnerEnvironment } from "./keep-runner.ts"

interface Env extends RunnerEnvironment {
  readonly GATEWAY: Fetcher
  readonly RUNNER: DurableObjectNamespace<RunnerContainer>
}

export class RunnerContainer extends DurableObject<Env> {
  async keep(isNeeded: boolean): Promise<void> {
    await keepRunner(this.ctx.container!, isNeeded, this.env)
  }
}

export default {
  async scheduled(_controller, { GATEWAY, RUNNER, YOHAKU_URL, YOHAKU_RUNNER_TOKEN }) {
    const headers = { authorization: `Bearer ${YOHAKU_RUNNER_TOKEN}` }
    const status = await GATEWAY.fetch(new URL("/v1/status", YOHAKU_URL), { headers })
    await RUNNER.getByName("runner").keep(await isWorkUnderWay(status))
  },
} satisfies ExportedHandler<Env>
