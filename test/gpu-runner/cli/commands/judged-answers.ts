// Answers of a tuned model and of its base as `yohaku generate` writes them, and a judge that likes what is longer to ask about them.
import { readFileSync } from "node:fs"
import path from "node:path"
import {
  type Behaviour,
  JUDGE,
  JUDGE_URL,
  type JudgeStandIn,
  startJudge,
  wordsOn,
} from "../../client/judge/judge-stand-in.ts"
import { createWorkspace, type Workspace } from "../../support/tiny-folder.ts"

/** Prompts. */
export const COUNT = 8

/** Verdicts in words, by name or by Arena-Hard's labels. */
export const pairwise: Behaviour = (_, body) => Response.json(wordsOn(body, "pairwise"))
export const five: Behaviour = (_, body) => Response.json(wordsOn(body))

export interface JudgedAnswers {
  readonly workspace: Workspace
  readonly judge: JudgeStandIn
  readonly prompts: string
  readonly outputs: string
  /** Writes a file of responses, one a prompt with some more; returns its path. */
  readonly responses: (name: string, textOf: (index: number) => string, more?: readonly object[]) => string
  /** A command line that has them judged. */
  readonly asking: (suite: string, out: string, ...more: readonly string[]) => string[]
  readonly annotationsIn: (out: string) => { readonly protocol: string; readonly rows: readonly object[] }
  readonly close: () => void
}

const lines = (rowOf: (index: number) => object) =>
  `${Array.from({ length: COUNT }, (_, index) => JSON.stringify(rowOf(index))).join("\n")}\n`

/** Of 5, 8, 11, … characters beside 12; the last answers are the same. */
export function createJudgedAnswers(): JudgedAnswers {
  const workspace = createWorkspace()
  const judge = startJudge()
  const promptOf = (text: string, index: number) => (index % 2 === 0 ? [{ role: "user", content: text }] : text)
  const prompts = workspace.write(
    "prompts.jsonl",
    lines((index) => ({ id: `p${index}`, prompt: promptOf(`Question ${index}`, index) })),
  )
  const responses: JudgedAnswers["responses"] = (name, textOf, more = []) =>
    workspace.write(
      name,
      lines((index) => {
        const response = { text: textOf(index), tokens: 5, finishReason: "stop", sumLogProb: -3 }
        return { id: `p${index}`, responses: [response, ...more] }
      }),
    )
  const outputs = responses("tuned.jsonl", (index) => "b".repeat(index === COUNT - 1 ? 9 : 5 + index * 3))
  const baseline = responses("base.jsonl", (index) => (index === COUNT - 1 ? "b".repeat(9) : "a".repeat(12)))
  const prompt = workspace.write("prompt.txt", "{instruction}|{output_1}|{output_2}")
  return {
    ...{ workspace, judge, prompts, outputs, responses },
    asking: (suite, out, ...more) => [
      ...["judge", "--suite", suite, "--outputs", outputs, "--baseline", baseline, "--prompts", prompts],
      ...["--prompt", prompt, "--judge", JUDGE, "--url", JUDGE_URL, "--out", workspace.at(out)],
      ...["--bootstrap", "0", ...more],
    ],
    annotationsIn: (out) => JSON.parse(readFileSync(path.join(workspace.at(out), "annotations.json"), "utf8")),
    close: () => {
      judge.close()
      workspace.remove()
    },
  }
}
