// `yohaku score`: per-token log-probs of both responses of every pair, as JSON Lines.

import { createLineFile } from "#gpu-runner/data/files.ts"
import { countReasons } from "#gpu-runner/data/rows/data-file.ts"
import { scoreLine } from "#gpu-runner/data/rows/reference-file.ts"
import { writeReferenceOrigin } from "#gpu-runner/data/rows/reference-origin.ts"
import { duration } from "#gpu-runner/trainer/quantities.ts"
import { scoreGroups } from "#gpu-runner/trainer/results/scorer.ts"
import { defineCommand } from "../command.ts"
import { requiredText } from "../options.ts"
import { checkOutFile } from "../out-folder.ts"
import { createProgress } from "../progress.ts"
import { scoringInputsOf, scoringOptions } from "../scoring-inputs.ts"
import { withDevice } from "../with-device.ts"

export const command = defineCommand({
  name: "score",
  summary: "Writes the log-probs of every pair's responses under a model.",
  details:
    'Each line of the output is {"id", "chosen": {"logProbs", "sum", "count"}, "rejected": {…}}: nats, one log-prob per response token\n' +
    "(the end of turn included), in f32 on the weights as held, with products as --precision says. `yohaku train --reference` takes the file\n" +
    "and checks by FILE.origin.json beside it that model and adapter are the same.",
  options: {
    ...scoringOptions,
    out: requiredText("FILE", "where to write"),
  },
  run: async (values, terminal) => {
    const startedMs = performance.now()
    checkOutFile(values.out)
    const inputs = await scoringInputsOf(values, terminal)
    const total = inputs.data.rows.length
    const progress = createProgress()
    const file = createLineFile(values.out)
    let pairs = 0
    let tokens = 0
    try {
      await withDevice(async (gpu) => {
        for await (const { rows, scores } of scoreGroups(gpu, inputs, inputs.data.rows)) {
          rows.forEach((row, index) => {
            const { chosen, rejected } = scores[index]!
            file.write(scoreLine(row.id, chosen, rejected))
            tokens += chosen.length + rejected.length
          })
          pairs += rows.length
          progress.show(`scored ${pairs} of ${total} pairs`, pairs === total)
        }
      })
    } catch (error) {
      file.discard()
      throw error
    }
    writeReferenceOrigin(values.out, {
      reference: file.finish(),
      model: inputs.fingerprint,
      adapter: inputs.adapterDigest ?? null,
    })
    const durationSeconds = (performance.now() - startedMs) / 1000
    const dropped = countReasons(inputs.data.dropped)
    terminal.answer(
      { out: values.out, pairs, tokens, dropped, model: inputs.fingerprint, durationSeconds },
      () => `${values.out}: ${pairs} pairs, ${tokens} scored tokens, ${duration(durationSeconds)}`,
    )
  },
})
