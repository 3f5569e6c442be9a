// GENERATED from this folder's files by `npm run format`: every definition, in the order of arrival. A test holds it up to date.
import { alphaDpo } from "./alpha-dpo.ts"
import { alphaPo } from "./alphapo.ts"
import { cpo } from "./cpo.ts"
import { dpo } from "./dpo.ts"
import { ipo } from "./ipo.ts"
import { kto } from "./kto.ts"
import { ldDpo } from "./ld-dpo.ts"
import { orpo } from "./orpo.ts"
import { rDpo } from "./r-dpo.ts"
import { sft } from "./sft.ts"
import { simpo } from "./simpo.ts"
import { tdpo } from "./tdpo.ts"

// biome-ignore format: one line however many there are
export const registry = [alphaDpo, simpo, dpo, ipo, cpo, orpo, rDpo, kto, alphaPo, tdpo, ldDpo, sft] as const
