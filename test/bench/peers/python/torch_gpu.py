# PyTorch on a GPU, as a system of the GPU benchmark: bf16 products, and a DPO step as TRL takes it. usage: torch_gpu.py cuda|cpu
# The step: chosen and rejected each behind a prompt of their own in one batch, reference log-probs from a forward pass without the
# adapter, gradient checkpointing, bf16 weights and autocast, LoRA in f32 on all seven linears, fused attention, AdamW.
import sys

import numpy
import torch
import torch.nn.functional as F

from llama import TARGETS, Llama, token_log_probs
from serve import serve

device = sys.argv[1]
is_cuda = device == "cuda"


def matmul(task):
    def operand(name, rows, columns):
        values = torch.from_numpy(numpy.fromfile(task["files"][name], dtype="<f4")).reshape(rows, columns)
        return values.to(device, torch.bfloat16)

    a = operand("a", task["rows"], task["inner"])
    b = operand("bTransposed", task["columns"], task["inner"])

    def run():
        with torch.no_grad():
            for _ in range(task["repeats"]):
                F.linear(a, b)

    def find():
        samples = F.linear(a, b).flatten()[torch.tensor(task["samples"], device=device)]
        return {"samples": samples.float().tolist(), "note": "bf16 in and out"}

    return run, find


def random_llama(task):
    sizes = task["sizes"]
    hidden, intermediate = sizes["hidden_size"], sizes["intermediate_size"]
    query = sizes["num_attention_heads"] * sizes["head_dim"]
    key = sizes["num_key_value_heads"] * sizes["head_dim"]
    shapes = {
        "self_attn.q_proj": (query, hidden), "self_attn.k_proj": (key, hidden), "self_attn.v_proj": (key, hidden),
        "self_attn.o_proj": (hidden, query), "mlp.gate_proj": (intermediate, hidden), "mlp.up_proj": (intermediate, hidden),
        "mlp.down_proj": (hidden, intermediate),
    }

    def matrix(*shape):
        return torch.randn(*shape, device=device, dtype=torch.bfloat16) * 0.02

    ones = torch.ones(hidden, device=device, dtype=torch.bfloat16)
    weights = {"model.embed_tokens.weight": matrix(sizes["vocab_size"], hidden), "model.norm.weight": ones}
    tied = task["tiesEmbeddings"]
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"] if tied else matrix(sizes["vocab_size"], hidden)
    adapter = {}
    for index in range(sizes["num_hidden_layers"]):
        path = f"model.layers.{index}"
        weights[f"{path}.input_layernorm.weight"] = weights[f"{path}.post_attention_layernorm.weight"] = ones
        for name in TARGETS:
            rows, columns = shapes[name]
            weights[f"{path}.{name}.weight"] = matrix(rows, columns)
            a = torch.randn(task["rank"], columns, device=device) / columns**0.5
            adapter[f"{path}.{name}"] = (a.requires_grad_(), torch.zeros(rows, task["rank"], device=device).requires_grad_())
    return Llama(sizes, weights, adapter, 2.0, is_checkpointed=True)


def response_sums(llama, token_ids, prompt_length):
    """Σ log p of each sequence's response: [sequences]"""
    log_probs = token_log_probs(llama.logits(token_ids), token_ids).float()
    return log_probs[:, prompt_length - 1 :].sum(dim=1)


def pairs(task):
    llama = random_llama(task)
    trained = [matrix for pair in llama.adapter.values() for matrix in pair]
    optimiser = torch.optim.AdamW(trained, lr=1e-6, fused=is_cuda)
    count, prompt = task["pairs"], task["promptLength"]
    prompts = torch.randint(task["sizes"]["vocab_size"], (count, prompt))
    responses = torch.randint(task["sizes"]["vocab_size"], (2, count, task["responseLength"]))
    token_ids = torch.stack([torch.cat([prompts, response], dim=1) for response in responses]).to(device)
    state = {"micro": count}

    def step():
        optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for start in range(0, count, state["micro"]):
            batch = token_ids[:, start : start + state["micro"]].flatten(0, 1)
            with torch.autocast(device, torch.bfloat16):
                adapter, llama.adapter = llama.adapter, None
                with torch.no_grad():
                    reference = response_sums(llama, batch, prompt)
                llama.adapter = adapter
                chosen, rejected = (response_sums(llama, batch, prompt) - reference).chunk(2)
                loss = -F.logsigmoid(0.1 * (chosen - rejected)).sum() / count
            loss.backward()
            total += loss.detach()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        return total

    while True:
        try:
            step()
            break
        except torch.OutOfMemoryError:
            if state["micro"] == 1:
                raise
            state["micro"] = (state["micro"] + 1) // 2
            torch.cuda.empty_cache()

    def find():
        return {"loss": step().item(), "note": f"unshared, reference each step, checkpointed; {state['micro']} pairs a pass"}

    return step, find


PREPARE = {"matmul": matmul, "pairs": pairs}
serve(lambda task: PREPARE[task["kind"]](task), torch.cuda.synchronize if is_cuda else lambda: None)
