-- What a dataset declares of its gates: JSON, shared/gates/gates-declaration.ts; NULL = the default gates.
ALTER TABLE datasets ADD COLUMN gates TEXT;
