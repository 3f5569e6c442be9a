"""Reads and writes safetensors files (8 bytes of header length, a JSON header, the bytes) without the safetensors package."""
import json
import struct

import numpy
import torch

_NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
_TYPES = {name: dtype for dtype, name in _NAMES.items()}


def write(path, tensors):
    """Writes named tensors in order of name, each in its own dtype."""
    header, offset, parts = {"__metadata__": {"format": "pt"}}, 0, []
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        data = tensor.view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        offset += len(data)
        parts.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def read(path):
    """All tensors of a file by name, in the dtype they are stored in."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        raw = torch.from_numpy(numpy.frombuffer(body[start:end], dtype=numpy.uint8).copy())
        tensors[name] = raw.view(_TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors
