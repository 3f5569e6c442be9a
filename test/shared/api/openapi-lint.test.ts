// The rules that Redocly and Spectral recommend to everybody, over the document as clients fetch it.
import { createConfig, lintFromString } from "@redocly/openapi-core"
import spectral from "@stoplight/spectral-core"
import rulesets from "@stoplight/spectral-rulesets"
import { OpenApi } from "effect/http-api"
import { describe, expect, it } from "vitest"
import { YohakuApi } from "#shared/api/Api.ts"

const document = OpenApi.fromApi(YohakuApi)
const source = JSON.stringify(document)

/** Of what Redocly finds: rule, place and message. */
const redoclyFindings = async (text: string): Promise<string[]> => {
  const config = await createConfig({
    extends: ["recommended"],
    rules: {
      // `/v1/webhooks/argilla/{endpointId}` and `/v1/webhooks/{endpointId}/deliveries`: an endpoint's id is made by the service, of
      // hexadecimal digits, so it is never the name of a tool.
      "no-ambiguous-paths": "off",
    },
  })
  const problems = await lintFromString({ source: text, config })
  return problems.map(({ ruleId, message, location }) => `${ruleId} ${location[0]?.pointer} ${message}`)
}

const spectralFindings = async (text: string): Promise<string[]> => {
  const linter = new spectral.Spectral()
  // The package's own type of its rulesets is narrower than what `extends` takes.
  linter.setRuleset({ extends: [[rulesets.oas as unknown as spectral.RulesetDefinition, "recommended"]] })
  const results = await linter.run(JSON.parse(text))
  return results.map(({ code, message, path }) => `${code} ${path.join("/")} ${message}`)
}

describe("the OpenAPI document", () => {
  it("breaks none of the rules that Redocly recommends", async () => {
    expect(await redoclyFindings(source)).toEqual([])
  })

  it("breaks none of the rules that Spectral recommends", async () => {
    expect(await spectralFindings(source)).toEqual([])
  })

  it("would be told by both what it lacks", async () => {
    const { servers: _, ...withoutServers } = document
    const bad = structuredClone(withoutServers)
    delete bad.paths["/healthz"]!.get!.summary
    delete bad.paths["/healthz"]!.get!.description
    expect((await redoclyFindings(JSON.stringify(bad))).map((finding) => finding.split(" ")[0])).toEqual(
      expect.arrayContaining(["no-empty-servers", "operation-summary"]),
    )
    expect((await spectralFindings(JSON.stringify(bad))).map((finding) => finding.split(" ")[0])).toEqual(
      expect.arrayContaining(["oas3-api-servers", "operation-description"]),
    )
  })
})
