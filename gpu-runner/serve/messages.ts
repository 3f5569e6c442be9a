// The messages of a chat request, as chat templates take them.
import type { Message } from "#shared/tokenisation/tokenisation.ts"
import { ApiError } from "./api-error.ts"
import { invalid, shown } from "./request-fields.ts"

/** `developer` is OpenAI's newer word for it. */
const ROLES: Readonly<Record<string, string>> = {
  system: "system",
  developer: "system",
  user: "user",
  assistant: "assistant",
}

/** Errors: ApiError. */
export function readMessages(value: unknown): readonly Message[] {
  if (value === undefined) throw new ApiError("missing_parameter", "messages is missing", { param: "messages" })
  if (!Array.isArray(value) || value.length === 0) throw invalid("messages", value, "a list of messages")
  return value.map((message: unknown, index) => readMessage(message, `messages[${index}]`))
}

function readMessage(value: unknown, param: string): Message {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(param, value, '{"role": …, "content": …}')
  }
  const { role, content, reasoning_content: thoughts, name, refusal: _, ...others } = value as Record<string, unknown>
  if (role === "tool" || role === "function" || others.tool_calls != null || others.function_call != null) {
    throw new ApiError("unsupported_parameter", `${param} is of a call of a tool, which is not supported here`, {
      param,
    })
  }
  const unread = Object.keys(others).find((key) => others[key] !== null)
  if (unread !== undefined) {
    throw new ApiError("unknown_parameter", `${param} has ${shown(unread)}, which is not known here; leave it out`, {
      param: `${param}.${unread}`,
    })
  }
  if (typeof role !== "string" || !Object.hasOwn(ROLES, role)) {
    throw invalid(`${param}.role`, role ?? null, "system, developer, user or assistant")
  }
  return {
    role: ROLES[role]!,
    content: readContent(content, `${param}.content`),
    ...(thoughts == null ? {} : { reasoning_content: textOf(thoughts, `${param}.reasoning_content`) }),
    ...(name == null ? {} : { name: textOf(name, `${param}.name`) }),
  }
}

/** A text, or the parts of one. */
function readContent(content: unknown, param: string): string {
  if (!Array.isArray(content)) return textOf(content ?? null, param)
  return content
    .map((part: unknown, index) => {
      const { type, text } = (part ?? {}) as Record<string, unknown>
      if (type === "text" && typeof text === "string") return text
      throw new ApiError(
        "unsupported_parameter",
        `${param}[${index}] is ${shown(type ?? part)}; only text is read here`,
        {
          param: `${param}[${index}]`,
        },
      )
    })
    .join("")
}

function textOf(value: unknown, param: string): string {
  if (typeof value === "string") return value
  throw invalid(param, value, "a text")
}
