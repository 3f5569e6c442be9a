// A judge behind OpenAI's HTTP shapes that takes our own words, gives log-probs, and prefers the longer answer.
import { once } from "node:events"
import { createServer } from "node:http"

export interface JudgeServer {
  /** Without a path. */
  readonly origin: string
  readonly requests: () => number
  readonly close: () => void
}

const ANSWERS = /----- The answer named m:\n\n([\s\S]*)\n\n----- The answer named M:\n\n([\s\S]*)\n\n-----\n\n/

export async function startJudgeServer(): Promise<JudgeServer> {
  let requests = 0
  const server = createServer(async (request, response) => {
    requests++
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { model, messages } = JSON.parse(Buffer.concat(chunks).toString())
    const [, first, second] = ANSWERS.exec(messages.at(-1).content)!
    const gap = (first!.length - second!.length) / 10
    const top_logprobs = [
      { token: "m", logprob: -Math.log1p(Math.exp(-gap)) },
      { token: "M", logprob: -Math.log1p(Math.exp(gap)) },
    ]
    const choices = [{ message: { content: "m" }, finish_reason: "length", logprobs: { content: [{ top_logprobs }] } }]
    const usage = { prompt_tokens: 100, completion_tokens: 1 }
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ model, choices, usage }))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  return {
    origin: `http://127.0.0.1:${port}`,
    requests: () => requests,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
