// Exits 0 when Dawn finds an adapter that can compute, 3 when it does not. Run in its own process: a driver that crashes
// must not take the caller with it.
import { create } from "webgpu"

const gpu = create([])
const adapter = await gpu.requestAdapter()
if (adapter === null) process.exit(3)
console.log(adapter.info.description || adapter.info.vendor)
process.exit(0)
