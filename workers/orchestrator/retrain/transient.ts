// Calls that fail for a while: D1, R2, KV, another worker, another object. Their failure is a defect of the step, so the
// engine throws the run away and tries again with back-off; what the workflow can decide about is a typed error instead.
import { Effect } from "effect"
import type { RpcResult } from "#shared/wire/services.ts"

/** A part of the system did not answer; it may in a moment. */
export class Unavailable extends Error {
  readonly _tag = "Unavailable"
  constructor(operation: string, cause: unknown) {
    super(`could not ${operation}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** Runs a call; a rejection is the defect `Unavailable`. `operation` reads after "could not". */
export const call = <A>(operation: string, run: () => Promise<A>): Effect.Effect<A> =>
  Effect.orDie(Effect.tryPromise({ try: run, catch: (cause) => new Unavailable(operation, cause) }))

/** An RPC call: `Unavailable` is a defect, any other refusal fails with what `refuse` makes of its message. */
export const callRpc = <A, E>(
  operation: string,
  run: () => Promise<RpcResult<A>>,
  refuse: (message: string) => E,
): Effect.Effect<A, E> =>
  Effect.flatMap(call(operation, run), (result) => {
    if (result.ok) return Effect.succeed(result.value)
    if (result.error._tag === "Unavailable") return Effect.die(new Unavailable(operation, result.error.message))
    return Effect.fail(refuse(result.error.message))
  })
