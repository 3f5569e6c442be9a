// Answers that cross between workers and objects: a value, or a tagged refusal.
import type { RpcError, RpcResult } from "#shared/wire/services.ts"

export const succeed = <A>(value: A): RpcResult<A> => ({ ok: true, value })

/** `message` says what is wrong and how to mend it. */
export const refuse = (tag: RpcError["_tag"], message: string): RpcResult<never> => ({
  ok: false,
  error: { _tag: tag, message },
})
