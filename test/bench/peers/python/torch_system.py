# PyTorch on the CPU, as a system of compare.ts. usage: torch_system.py THREADS
import sys

import numpy
import torch
import torch.nn.functional as F

from llama import TARGETS, Llama, token_log_probs
from serve import serve

torch.set_num_threads(int(sys.argv[1]))
torch.set_num_interop_threads(1)


def floats(path, shape):
    return torch.from_numpy(numpy.fromfile(path, dtype="<f4")).reshape(shape)


def sampled(output, task):
    return {"samples": output.flatten()[torch.tensor(task["samples"])].tolist()}


def matmul(task):
    a = floats(task["files"]["a"], (task["rows"], task["inner"]))
    b = floats(task["files"]["bTransposed"], (task["columns"], task["inner"]))

    def run():
        with torch.no_grad():
            for _ in range(task["repeats"]):
                F.linear(a, b)

    return run, lambda: sampled(F.linear(a, b), task)


def attention(task):
    query, key, value = (
        floats(task["files"][name], (task["sequences"], task["length"], task["heads"], task["headSize"])).transpose(1, 2).contiguous()
        for name in ("query", "key", "value")
    )

    def attend():
        with torch.no_grad():
            return F.scaled_dot_product_attention(query, key, value, is_causal=True)

    return attend, lambda: sampled(attend().transpose(1, 2), task)


def stored_tensors(task):
    values = numpy.fromfile(task["files"]["weights"], dtype="<f4")
    tensors = {}
    for stored in task["tensors"]:
        size = int(numpy.prod(stored["shape"]))
        part = values[stored["offset"] : stored["offset"] + size].copy()
        tensors[stored["name"]] = torch.from_numpy(part).reshape(stored["shape"])
    return tensors


def model(task):
    tensors = stored_tensors(task)
    token_ids = numpy.fromfile(task["files"]["tokenIds"], dtype="<u4").astype("int64")
    token_ids = torch.from_numpy(token_ids[: task["sequences"] * task["length"]]).reshape(task["sequences"], task["length"])
    adapter = None
    if task["kind"] == "step" and task["train"] == "adapter":
        paths = [f"model.layers.{i}.{name}" for i in range(task["sizes"]["num_hidden_layers"]) for name in TARGETS]
        adapter = {path: (tensors[f"{path}.lora_A"], tensors[f"{path}.lora_B"]) for path in paths}
        trained = [matrix for pair in adapter.values() for matrix in pair]
    else:
        trained = [tensor for name, tensor in tensors.items() if "lora" not in name]
    llama = Llama(task["sizes"], tensors, adapter, task["loraScaling"])

    def log_probs():
        with torch.no_grad():
            return token_log_probs(llama.logits(token_ids), token_ids)

    if task["kind"] == "log-probs":
        return log_probs, lambda: {"loss": -log_probs().mean().item()}
    for parameter in trained:
        parameter.requires_grad_()

    def step():
        for parameter in trained:
            parameter.grad = None
        loss = -token_log_probs(llama.logits(token_ids), token_ids).mean()
        loss.backward()
        return loss

    def find():
        loss = step().item()
        squares = sum(parameter.grad.double().square().sum() for parameter in trained)
        return {"loss": loss, "gradientNorm": squares.sqrt().item()}

    return step, find


PREPARE = {"matmul": matmul, "attention": attention, "step": model, "log-probs": model}
serve(lambda task: PREPARE[task["kind"]](task))
