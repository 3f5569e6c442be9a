// The bindings of workers/scorer/wrangler.toml.
import type { IngestMessage, OrchestratorRpc } from "#shared/wire/services.ts"

export interface Environment {
  readonly DB: D1Database
  readonly BLOBS: R2Bucket
  readonly REFERENCES: KVNamespace
  readonly ORCHESTRATOR: Pick<OrchestratorRpc, "pairsReady">
}

export type IngestBatch = MessageBatch<IngestMessage>
