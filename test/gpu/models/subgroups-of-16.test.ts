import { testSubgroupsOf } from "./subgroup-size.ts"

testSubgroupsOf(16)
