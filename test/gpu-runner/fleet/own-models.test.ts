// Models that lie on a runner's machine already: what is taken of them, and what is said of a file that is another than the registered one.
import { afterAll, expect, test } from "vitest"
import { sha256 } from "#gpu-runner/data/files.ts"
import { OwnModels } from "#gpu-runner/fleet/own-models.ts"
import { createWorkspace } from "../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

const digestOf = (text: string) => sha256(Buffer.from(text))

test("a file of another digest is named once, with both digests, and that the registered one is fetched instead", async () => {
  const config = workspace.write("models/tiny/config.json", "{}")
  const weights = workspace.write("models/tiny/model.safetensors", "differs by a byte!")
  workspace.write("models/other/model.safetensors", "of another model")
  const said: string[] = []
  const own = new OwnModels(workspace.at("models"), workspace.at("own-models.json"), (line) => said.push(line))
  expect(await own.find("config.json", digestOf("{}"))).toBe(config)
  expect(await own.find("tokenizer.json", digestOf("none here"))).toBeUndefined()
  expect(said).toEqual([])

  const registered = digestOf("differs by a byte.")
  expect(await own.find("model.safetensors", registered)).toBeUndefined()
  expect(await own.find("model.safetensors", registered)).toBeUndefined()
  const other = `${workspace.at("models/other/model.safetensors")} has the digest ${digestOf("of another model")}`
  const differing = `${weights} has the digest ${digestOf("differs by a byte!")}`
  expect(said).toEqual([
    `model.safetensors (${registered}) is not in the folder of --models: ${other}, ${differing}; the registered file is fetched instead, unless it was before`,
  ])
  expect(await own.find("model.safetensors", digestOf("differs by a byte!"))).toBe(weights)
  expect(said).toHaveLength(1)
})
