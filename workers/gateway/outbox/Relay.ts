// Wakes the outbox relay. An answer of 202 waits for it: from then on an alarm is set, and alarms survive a crash.
import { Context, Effect, Layer } from "effect"
import { Environment } from "../Environment.ts"
import { ask } from "../storage/Database.ts"

/** One relay for the whole deployment. */
export const RELAY_NAME = "relay"

export class Relay extends Context.Service<Relay, { readonly wake: Effect.Effect<void> }>()("yohaku/gateway/Relay") {
  static readonly layer = Layer.effect(
    Relay,
    Effect.map(Environment, ({ OUTBOX_RELAY }) =>
      Relay.of({ wake: ask("the outbox relay", () => OUTBOX_RELAY.getByName(RELAY_NAME).wake()) }),
    ),
  )
}
