// cost per visible pair by T; old vs new where old works
import { createContext } from "#gpu-runner/device/context.ts"
import { openDevice } from "#gpu-runner/device/open-device.ts"
import { uploaded } from "#gpu-runner/device/transfer.ts"
import * as now from "#gpu-runner/ops/attention.ts"
import { attentionLayout } from "#gpu-runner/ops/attention-layout.ts"
import { uploadAttentionLayout } from "#gpu-runner/ops/attention-lists.ts"
const gpu = await openDevice(); const ctx = createContext(gpu)
const D = 64, H = 4, o = { headCount: H, keyValueHeadCount: H }
async function cpu(f) { const c = process.cpuUsage(); const t = performance.now(); f(); ctx.recorder.submit(); await gpu.wait(gpu.device.queue.onSubmittedWorkDone()); const u = process.cpuUsage(c); return [(u.user + u.system) / 1000, performance.now() - t] }
const cases = (process.env.L ?? "256,1024,4096,8192").split(",").map((l) => l.includes("x") ? l.split("x").map(Number) : [1, Number(l)])
const made = cases.map(([rows, len]) => {
  const host = attentionLayout(Array.from({ length: rows! }, () => ({ promptLength: len!, chosenLength: 0, rejectedLength: 0 })))
  const T = host.tokenCount
  const m = (n) => uploaded(ctx, Float32Array.from({ length: T * H * D }, () => Math.random() - 0.5), [T, H * D], n)
  const t0 = performance.now(); const layout = uploadAttentionLayout(ctx, host); const host_ms = performance.now() - t0
  const inputs = { query: m("q"), key: m("k"), value: m("v") }
  const kept = now.attention(ctx, inputs, layout, o)
  const saved = { ...inputs, ...kept, dOutput: inputs.query }
  return { name: `${rows}x${len}`, T, pairs: H * rows! * len! * (len! + 1) / 2, host_ms, fwd: () => now.attention(ctx, inputs, layout, o), bwd: () => now.attentionBackward(ctx, saved, layout, o), f: [] as number[], b: [] as number[] }
})
const R = Number(process.env.R ?? 3)
for (let i = 0; i <= R; i++) for (const c of made) { const s = ctx.memory.openScope(); const f = await cpu(c.fwd); s.close(); const s2 = ctx.memory.openScope(); const b = await cpu(c.bwd); s2.close(); if (i) { c.f.push(f[0]!); c.b.push(b[0]!) } }
const med = (v) => [...v].sort((p, q) => p - q)[v.length >> 1]
for (const c of made) console.log(c.name.padEnd(9), "T", c.T, "layout ms", c.host_ms.toFixed(0), "fwd", med(c.f).toFixed(1), "bwd", med(c.b).toFixed(1), "ns/pair fwd", (1e6 * med(c.f) / c.pairs).toFixed(2), "bwd", (1e6 * med(c.b) / c.pairs).toFixed(2), "us/token", (1e3 * (med(c.f) + med(c.b)) / c.T).toFixed(1))
console.log("peak MiB", (ctx.memory.statistics().peakUsedBytes / 2 ** 20).toFixed(0))
gpu.destroy(); process.exit(0)
