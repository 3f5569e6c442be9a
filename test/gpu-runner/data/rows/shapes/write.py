# Writes the records of shapes.json as Parquet, one file a shape, with Apache Arrow.
# python3 -m venv venv && venv/bin/pip install pyarrow==25.0.1 && venv/bin/python write.py
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent
for name, records in json.loads((here / "shapes.json").read_text()).items():
    columns = list(dict.fromkeys(column for record in records for column in record))
    table = pa.table({column: pa.array([record.get(column) for record in records]) for column in columns})
    pq.write_table(table, here / f"{name}.parquet")
