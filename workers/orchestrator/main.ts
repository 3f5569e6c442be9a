// The orchestrator worker: its entrypoint for the other workers and its Durable Objects. Nothing of it is reachable from outside.
export { WorkflowRun } from "./engine/WorkflowRun.ts"
export { Orchestrator } from "./Orchestrator.ts"
export { RunnerPool } from "./pool/RunnerPool.ts"
export { Registry } from "./registry/Registry.ts"
export { Sweeper } from "./sweep/Sweeper.ts"

export default {
  fetch: () => new Response(null, { status: 404 }),
} satisfies ExportedHandler
