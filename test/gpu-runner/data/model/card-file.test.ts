import { writeFileSync } from "node:fs"
import { afterAll, expect, test } from "vitest"
import { baseLineage, cardTable, cardText, readCard } from "#gpu-runner/data/model/card-file.ts"
import { createWorkspace } from "../../support/tiny-folder.ts"

const workspace = createWorkspace()
afterAll(workspace.remove)

test("front matter is YAML: plain where that is text, quoted where YAML would read something else, absent where unknown", () => {
  const fields = {
    base_model: "acme/tiny-1.5",
    license: "other",
    license_name: "Tiny: the licence",
    library_name: "peft",
    version: "1.10",
    flag: "no",
    missing: undefined,
    empty: [],
    tags: ["lora", "α-dpo"],
  }
  expect(cardText({ fields, body: "\n# Tiny\n\nText.\n" })).toBe(
    [
      "---",
      "base_model: acme/tiny-1.5",
      "license: other",
      'license_name: "Tiny: the licence"',
      "library_name: peft",
      'version: "1.10"',
      'flag: "no"',
      "tags:",
      "  - lora",
      '  - "α-dpo"',
      "---",
      "",
      "# Tiny",
      "",
      "Text.",
      "",
    ].join("\n"),
  )
})

test("a card is read back as it was written, and one of the hub with more in it as far as it is plain", () => {
  const card = { fields: { license: "apache-2.0", tags: ["a", "b: c"] }, body: "# Title" }
  workspace.write("written/README.md", cardText(card))
  expect(readCard(workspace.at("written"))).toEqual(card)
  const hub =
    "---\nlicense: llama3.2\nlanguage:\n- en\n- de\nextra_gated_prompt: >-\n  ### LICENSE\n  text: x\nwidget:\n  - text: hi\n---\n# M\n"
  workspace.write("hub/README.md", hub)
  expect(readCard(workspace.at("hub"))!.fields).toMatchObject({ license: "llama3.2", language: ["en", "de"] })
  workspace.write("plain/README.md", "# No front matter\n")
  expect(readCard(workspace.at("plain"))).toBeUndefined()
  expect(readCard(workspace.at("nowhere"))).toBeUndefined()
})

test("a base is named by its repository only where it has one, and keeps its licence", () => {
  workspace.write(
    "base/README.md",
    "---\nlicense: other\nlicense_name: gemma\nlicense_link: https://ai.google.dev/gemma/terms\n---\n",
  )
  const license = { license: "other", license_name: "gemma", license_link: "https://ai.google.dev/gemma/terms" }
  const local = { repository: undefined, commit: undefined, license }
  expect(baseLineage(workspace.at("base"), workspace.at("base"))).toEqual(local)
  const commit = "c".repeat(40)
  writeFileSync(
    workspace.at("base", ".yohaku-pull.json"),
    JSON.stringify({ repository: "acme/base", commit, files: {} }),
  )
  expect(baseLineage(workspace.at("base"), workspace.at("base"))).toEqual({ repository: "acme/base", commit, license })
  expect(baseLineage(workspace.at("nowhere"), "acme/job-base").repository).toBe("acme/job-base")
})

test("tables leave out what is not known and keep bars inside cells", () => {
  expect(
    cardTable(
      ["a", "b"],
      [
        ["x", 1],
        ["y", undefined],
        ["z", null],
        ["p|q", "r"],
      ],
    ),
  ).toBe("| a | b |\n| --- | --- |\n| x | 1 |\n| p\\|q | r |")
})
