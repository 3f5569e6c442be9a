// The orchestrator behind its service binding. Its refusals become problems; its absence is a defect (503).
import { Context, Effect, Layer } from "effect"
import { Conflict, NotFound, StaleLease, UnusableRequest } from "#shared/api/problems.ts"
import type { OrchestratorRpc, RpcError, RpcResult } from "#shared/wire/services.ts"
import { Environment } from "./Environment.ts"
import { ask, PartUnavailable } from "./storage/Database.ts"

class Refused {
  readonly _tag = "Refused"
  readonly error: RpcError
  constructor(error: RpcError) {
    this.error = error
  }
}

const PART = "the orchestrator"

/** One call. What the orchestrator calls unavailable is as good as no answer. */
const callWith = <A>(rpc: OrchestratorRpc, run: (rpc: OrchestratorRpc) => Promise<RpcResult<A>>) =>
  Effect.flatMap(
    ask(PART, () => run(rpc)),
    (result): Effect.Effect<A, Refused> => {
      if (result.ok) return Effect.succeed(result.value)
      return result.error._tag === "Unavailable"
        ? Effect.die(new PartUnavailable({ part: PART, cause: new Error(result.error.message) }))
        : Effect.fail(new Refused(result.error))
    },
  )

type Resource = NotFound["resource"]

const problemOf = (resource: Resource, { _tag, message: detail }: RpcError) => {
  switch (_tag) {
    case "NotFound":
      return new NotFound({ resource, detail })
    case "Conflict":
      return new Conflict({ detail })
    case "StaleLease":
      return new StaleLease({ detail })
    default:
      return new UnusableRequest({ detail })
  }
}

export type OrchestratorProblem = ReturnType<typeof problemOf>

export class Orchestrator extends Context.Service<
  Orchestrator,
  {
    /** `resource` names what a NotFound is about. */
    readonly call: <A>(
      resource: Resource,
      run: (rpc: OrchestratorRpc) => Promise<RpcResult<A>>,
    ) => Effect.Effect<A, OrchestratorProblem>
  }
>()("yohaku/gateway/Orchestrator") {
  static readonly layer = Layer.effect(
    Orchestrator,
    Effect.map(Environment, ({ ORCHESTRATOR }) =>
      Orchestrator.of({
        call: (resource, run) =>
          Effect.mapError(callWith(ORCHESTRATOR, run), ({ error }) => problemOf(resource, error)),
      }),
    ),
  )
}
