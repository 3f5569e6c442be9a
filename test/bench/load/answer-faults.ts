// What is wrong with an answer, whatever was asked: a failure that is not told as one, a refusal that is no problem document, a status
// that the API's description does not know.
import type { Operation } from "./operations.ts"
import type { Plan } from "./RequestPlans.ts"
import type { Answer, Outcome } from "./send.ts"

const PROBLEM = "application/problem+json"

interface Problem {
  readonly type?: unknown
  readonly title?: unknown
  readonly status?: unknown
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const problemFault = ({ status, headers, text }: Answer): string | undefined => {
  const media = String(headers["content-type"] ?? "nothing").split(";")[0]
  if (media !== PROBLEM) return `${status} as ${media}, not as ${PROBLEM}`
  const problem = parsed(text) as Problem | undefined
  if (typeof problem?.type !== "string" || typeof problem.title !== "string") return `${status} without type and title`
  return problem.status === status ? undefined : `${status}, whose problem says ${String(problem.status)}`
}

const failureFault = ({ status, headers }: Answer): string | undefined => {
  if (status < 500) return undefined
  if (status !== 503) return `${status}`
  return /^[1-9]\d*$/.test(String(headers["retry-after"])) ? undefined : "503 without Retry-After"
}

/** A path that is not the operation's own may be no route at all, or another's. */
const isDocumented = ({ method, disturbed }: Plan, { statuses, method: own }: Operation, status: number): boolean => {
  if (statuses.has(status)) return true
  if (disturbed === "path") return true
  return method !== own
}

/** The first thing that is wrong, or nothing. */
export const answerFault = (plan: Plan, outcome: Outcome): string | undefined => {
  if (outcome.kind === "hang") return "no answer in time"
  if (outcome.kind === "broken") return `the connection broke: ${outcome.reason}`
  if (outcome.kind === "cut") return undefined
  const { answer } = outcome
  const failed = failureFault(answer)
  if (failed !== undefined) return failed
  const { status, headers, text } = answer
  if (status === 405 && typeof headers.allow !== "string") return "405 without Allow"
  if (headers["access-control-allow-origin"] !== undefined) return "other origins are let in"
  if (!isDocumented(plan, plan.operation, status)) return `${status}, which /openapi.json does not list`
  if (plan.method === "HEAD") return text === "" ? undefined : "HEAD with a body"
  if (status >= 400) return problemFault(answer)
  const isJson = String(headers["content-type"]).startsWith("application/json")
  return isJson && parsed(text) === undefined ? `${status} with a body that is no JSON` : undefined
}
