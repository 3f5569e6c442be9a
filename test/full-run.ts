// Whether this is `npm run test:full`: tests that need many minutes do a tenth of their work otherwise. The one reader of YOHAKU_FULL.
export const isFullRun = process.env.YOHAKU_FULL === "1"
