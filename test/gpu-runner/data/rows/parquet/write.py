# Writes this folder's Parquet files with Apache Arrow, the library with which the hub's data sets are written.
# python3 -m venv venv && venv/bin/pip install pyarrow==25.0.1 && venv/bin/python write.py
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent
message = pa.struct([("content", pa.string()), ("role", pa.string()), ("name", pa.string())])
messages = pa.list_(message)


def said(role, content):
    return {"role": role, "content": content, "name": None}


# As the hub's binarised sets have it: a prompt, two conversations, scores. Two row groups.
rows = [
    {
        "prompt": f"Why {i}?",
        "prompt_id": f"p{i}",
        "chosen": [said("user", f"Why {i}?"), said("assistant", f"Because {i}. \u00e9\U0001f375")],
        "rejected": [said("user", f"Why {i}?"), said("assistant", f"No {i}.")],
        "messages": None if i % 2 else [said("user", f"Why {i}?")],
        "score_chosen": 8.5,
        "score_rejected": None if i == 1 else 3.0,
    }
    for i in range(5)
]
schema = pa.schema(
    [
        ("prompt", pa.string()),
        ("prompt_id", pa.string()),
        ("chosen", messages),
        ("rejected", messages),
        ("messages", messages),
        ("score_chosen", pa.float64()),
        ("score_rejected", pa.float64()),
    ]
)
pq.write_table(pa.Table.from_pylist(rows, schema), here / "chat.parquet", compression="snappy", row_group_size=3)

# Plain text and a whole-number id, in every codec that can be read, and in one that cannot.
plain = pa.table({"id": pa.array([7, 8], pa.int64()), "prompt": ["a", "b"], "chosen": [" yes", " y"], "rejected": [" no", " n"]})
for codec in ["none", "gzip", "brotli", "zstd", "lz4"]:
    pq.write_table(plain, here / f"plain-{codec}.parquet", compression=codec)

labels = pa.table({"prompt": ["a", "b"], "completion": [" x", " y"], "label": [True, False]})
pq.write_table(labels, here / "unpaired.parquet")

ratings = pa.table(
    {
        "prompt": ["q"],
        "responses": pa.array([["low", "high", "unrated"]], pa.list_(pa.string())),
        "scores": pa.array([[1, 5, None]], pa.list_(pa.int64())),
    }
)
pq.write_table(ratings, here / "ratings.parquet")

# A text column that holds bytes which are no UTF-8.
broken = pa.table({"prompt": pa.array([b"a"]), "chosen": pa.array([b"\xff\xfe"]), "rejected": pa.array([b"b"])})
pq.write_table(broken, here / "broken-utf8.parquet")

huge = pa.table({"id": pa.array([2**60 + 1], pa.int64()), "prompt": ["a"], "chosen": ["b"], "rejected": ["c"]})
pq.write_table(huge, here / "huge-id.parquet")

# The same number in a column that nobody reads, beside one of bytes that are no UTF-8.
unread = pa.table(
    {
        "snowflake": pa.array([2**60 + 1], pa.int64()),
        "raw": pa.array([b"\xff\xfe"]),
        "prompt": ["hi"],
        "chosen": ["a"],
        "rejected": ["b"],
    }
)
pq.write_table(unread, here / "unread-columns.parquet")

# Tools whose limits are floating-point numbers: Python prints 1.0, where JavaScript has one kind of number.
limits = [{"name": "zoom", "limits": {"least": 1.0, "most": 2.5, "steps": 3}, "marks": [0.0, -0.0, 1e16, 1e22]}]
limit = pa.struct([("least", pa.float64()), ("most", pa.float32()), ("steps", pa.int64())])
tool = pa.struct([("name", pa.string()), ("limits", limit), ("marks", pa.list_(pa.float64()))])
with_tools = pa.table(
    {
        "prompt": pa.array([[said("user", "q")]], messages),
        "chosen": pa.array([[said("assistant", "a")]], messages),
        "rejected": pa.array([[said("assistant", "b")]], messages),
        "score_chosen": pa.array([1.0], pa.float64()),
        "tools": pa.array([limits], pa.list_(tool)),
    }
)
pq.write_table(with_tools, here / "tools.parquet")
