import { enableCompileCache } from "node:module"
if (process.env.CC === "1") enableCompileCache()
const R = process.env.ROOT
const imp = (p) => import(`${R}/${p}`)
let last = process.cpuUsage(), lastMs = performance.now()
const lap = (n) => { const c = process.cpuUsage(last); out.push(`${n} ${((c.user + c.system) / 1000).toFixed(0)} cpu / ${(performance.now() - lastMs).toFixed(0)} ms`); last = process.cpuUsage(); lastMs = performance.now() }
const out = []
lap("node")
await imp("gpu-runner/cli/main.ts"); await imp("gpu-runner/cli/commands/train.ts"); lap("imports")
const { readFilesRun } = await imp("gpu-runner/trainer/train-on-files.ts")
const { openDevice } = await imp("gpu-runner/device/open-device.ts")
const { createContext } = await imp("gpu-runner/device/context.ts")
const { prepareRun } = await imp("gpu-runner/trainer/prepare-run.ts")
const { decodeTrainConfig } = await imp("shared/domain/TrainConfig.ts")
const config = decodeTrainConfig({ batch: 4, maxSteps: 2, warmupSteps: 0 }, {}).success
const inputs = await readFilesRun({ modelDir: "/work/smol/model", dataFile: process.env.DATA ?? "/work/smol/pairs.jsonl", config, outDir: "/tmp/none" }); lap("read")
const gpu = await openDevice(); const context = createContext(gpu); lap("device")
let seen = ""
await prepareRun(context, { ...inputs, onProgress: (e) => { const k = e._tag + (e.what ?? ""); if (e._tag === "Memory") lap("decoder"); if ((e._tag === "Reference" || e.what === "reference: scored") && e.done === e.total) lap("reference") } })
lap("self-test"); gpu.destroy()
console.log(process.env.NAME, out.join(" | "))
