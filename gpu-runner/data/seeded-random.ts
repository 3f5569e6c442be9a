// The trainer's random source is that of the statistics.
export { SeededRandom } from "#shared/evaluation/statistics/seeded-random.ts"
