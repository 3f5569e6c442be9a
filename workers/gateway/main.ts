// The public worker: the HTTP API, and the Durable Object that relays the outbox.
import { Misconfigured } from "#shared/api/problems.ts"
import type { Bindings } from "./Environment.ts"
import { problemResponse } from "./http/plain-problem.ts"
import { makeWebHandler } from "./http/web-handler.ts"
import { RELAY_NAME } from "./outbox/Relay.ts"
import { forgetOldAnswers } from "./storage/Answers.ts"

export { OutboxRelay } from "./outbox/OutboxRelay.ts"

const FEWEST_PEPPER_CHARACTERS = 32

const handlers = new WeakMap<Bindings, (request: Request) => Promise<Response>>()

const misconfigured = (detail: string): Response => problemResponse(new Misconfigured({ detail }))

const wakeRelay = (env: Bindings): Promise<void> => env.OUTBOX_RELAY.getByName(RELAY_NAME).wake()

/** An orchestrator that is away is woken by the next look. It makes the looks at datasets that were asked for meanwhile. */
const wakeSweeper = async ({ ORCHESTRATOR }: Bindings): Promise<void> => {
  await ORCHESTRATOR.sweep({ isUrgent: false }).catch((cause) => console.warn(`the sweeper was not woken: ${cause}`))
}

const lookAfter = (env: Bindings) =>
  Promise.all([wakeRelay(env), forgetOldAnswers(env.DB, Date.now()), wakeSweeper(env)])

export default {
  async fetch(request, env, context) {
    const { YOHAKU_PEPPER } = env
    if (YOHAKU_PEPPER === undefined || YOHAKU_PEPPER.length < FEWEST_PEPPER_CHARACTERS)
      return misconfigured(
        `Set the secret YOHAKU_PEPPER to at least ${FEWEST_PEPPER_CHARACTERS} random characters: in .dev.vars for a local worker, with \`wrangler secret put YOHAKU_PEPPER\` for a deployed one.`,
      )
    let handler = handlers.get(env)
    if (handler === undefined) {
      handler = makeWebHandler({ ...env, YOHAKU_PEPPER })
      handlers.set(env, handler)
      // Whatever a crash left in the outbox: an isolate begins by making sure that it is on its way.
      context.waitUntil(lookAfter(env))
    }
    return handler(request)
  },

  /** Should every other wake have been lost. */
  async scheduled(_controller, env) {
    await lookAfter(env)
  },
} satisfies ExportedHandler<Bindings>
