-- Where a dataset's reference log-probs are computed, and in which precision. NULL = by the edge, of the weights as stored: what there was before.

ALTER TABLE datasets ADD COLUMN reference_place TEXT;      -- edge | runner
ALTER TABLE datasets ADD COLUMN reference_why TEXT;        -- what decided that, in numbers
ALTER TABLE datasets ADD COLUMN reference_precision TEXT;  -- shared/formats/weights/reference-precision.ts
