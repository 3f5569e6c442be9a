// The bindings and secrets of the root wrangler.toml.
import { Context } from "effect"
import type { IngestMessage, OrchestratorRpc } from "#shared/wire/services.ts"

/** The outbox relay, as other parts of the worker see it. */
export interface OutboxRelayRpc extends Rpc.DurableObjectBranded {
  /** Makes sure that an alarm is set. */
  wake(): Promise<void>
}

export interface Bindings {
  readonly DB: D1Database
  readonly BLOBS: R2Bucket
  readonly INGEST: Queue<IngestMessage>
  readonly ORCHESTRATOR: OrchestratorRpc
  readonly OUTBOX_RELAY: DurableObjectNamespace<OutboxRelayRpc>
  /** Part of every API key: tells a key of one deployment from another's. */
  readonly YOHAKU_ENVIRONMENT?: string
  /** Secret: keys the hashes of API keys and seals webhook secrets. Changing it invalidates both. */
  readonly YOHAKU_PEPPER?: string
  /** Secret: the admin key that makes the first API keys. */
  readonly YOHAKU_ADMIN_KEY?: string
}

/** The environment of one isolate. It holds bindings only, so that it may be shared by concurrent requests. */
export class Environment extends Context.Service<Environment, Bindings & { readonly YOHAKU_PEPPER: string }>()(
  "yohaku/gateway/Environment",
) {}
