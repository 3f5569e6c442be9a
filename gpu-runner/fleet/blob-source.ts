// A blob of a gateway as the source of a transfer. The typed client would hold a whole answer.
import type { GatewayAddress } from "#gpu-runner/client/ApiClient.ts"
import { CallRefused, GatewayUnavailable, type ProblemLike, wordsOf } from "#gpu-runner/client/call-failure.ts"
import { causeInWords } from "#gpu-runner/data/network-cause.ts"
import type { Source } from "#gpu-runner/data/transfer.ts"

const RANGE_NOT_SATISFIABLE = 416
const TOO_MANY_REQUESTS = 429

/** The gateway's problem, or nothing where it answers without one. */
const problemOf = async (response: Response): Promise<ProblemLike> => {
  try {
    return (await response.json()) as ProblemLike
  } catch {
    return { message: `the gateway answers ${response.status}` }
  }
}

/** Errors of a transfer from it: CallRefused, GatewayUnavailable. */
export const blobSource = ({ url, token }: GatewayAddress, digest: string): Source => ({
  ask: (range, signal) =>
    fetch(`${url}/v1/blobs/${digest}`, {
      headers: {
        authorization: `Bearer ${token}`,
        "accept-encoding": "identity",
        ...(range === undefined ? {} : { range }),
      },
      ...(signal ? { signal } : {}),
    }),
  refusal: async (response) => {
    const { status } = response
    if (status < 400 || status >= 500 || status === RANGE_NOT_SATISFIABLE || status === TOO_MANY_REQUESTS)
      return undefined
    return new CallRefused({ status, message: wordsOf(await problemOf(response)) })
  },
  unreachable: (cause) => new GatewayUnavailable({ message: causeInWords(cause) }),
  mismatch: () =>
    new CallRefused({
      status: 200,
      message: `blob ${digest} arrived with other content; the store is damaged`,
    }),
})
