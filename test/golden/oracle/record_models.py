"""Records every model of variants.py: logits and log-probs of each response alone, and the gradients of Σ upstream · log-prob by every
weight (full fine-tune) and by every LoRA matrix. Refuses to record a model in which a special feature makes no difference."""
import dataclasses
import os

import numpy
import torch

import tensor_files
from decoder import Rope, response_logits, semantics_of, token_log_probs
from files import GOLDEN, single_threaded, versions, write_adapter, write_model, write_rows_json
from random_model import ALPHA, RANK, peft_tensors, random_adapter, random_pairs, random_weights
from variants import VARIANTS, VOCABULARY

# [prompt, chosen, rejected]: a prompt of one token, responses of one token, sequences longer than every window.
LENGTHS = [[9, 7, 5], [1, 6, 1], [5, 1, 11], [14, 4, 8]]
# A feature that moves no log-prob by this much (nats) would pass the engine's tests even if it were missing.
LEAST_EFFECT = 0.01


def responses_of(pairs):
    """(prompt, response) in the order of the recording: pair by pair, chosen before rejected."""
    return [(pair["promptIds"], pair[name]) for pair in pairs for name in ("chosenIds", "rejectedIds")]


def score(semantics, weights, pairs, adapter=None):
    """Logits of every response, and their token log-probs in one vector."""
    logits = [response_logits(semantics, weights, *response, adapter, ALPHA / RANK) for response in responses_of(pairs)]
    log_probs = [token_log_probs(rows, response) for rows, (_, response) in zip(logits, responses_of(pairs))]
    return logits, torch.cat(log_probs)


def wrong_readings(semantics):
    """Mistakes that an engine could make with this model; each must be visible in the log-probs."""
    replace = lambda **changes: dataclasses.replace(semantics, **changes)
    layers = lambda of: replace(layers=tuple(of(index, window, rope) for index, (window, rope) in enumerate(semantics.layers)))
    wrong = {}
    windows = [window for window, _ in semantics.layers]
    if any(windows):
        wrong["window one longer"] = layers(lambda _, window, rope: (window and window + 1, rope))
        wrong["no window"] = layers(lambda _, window, rope: (None, rope))
    if None in windows and any(windows):
        swapped = [None if window else max(filter(None, windows)) for window in windows]
        wrong["windows on the other layers"] = layers(lambda index, _, rope: (swapped[index], rope))
    if any(rope.scaling for _, rope in semantics.layers):
        wrong["no rope scaling"] = layers(lambda _, window, rope: (window, Rope(rope.theta)))
    if len({rope for _, rope in semantics.layers}) > 1:
        wrong["local rope everywhere"] = layers(lambda _, window, rope: (window, semantics.layers[0][1]))
    if semantics.attention_cap:
        wrong["no attention cap"] = replace(attention_cap=None)
        wrong["no final cap"] = replace(final_cap=None)
    if semantics.gemma_norms:
        wrong["attention scale of the head size"] = replace(attention_scale=semantics.head_size**-0.5)
        wrong["no embedding scale"] = replace(embedding_scale=1.0)
        wrong["norm weight without 1 +"] = replace(norm_offset=0.0)
        wrong["no norms before the residual additions"] = replace(gemma_norms=False)
        wrong["SiLU"] = replace(gelu=False)
    if semantics.query_key_norm:
        wrong["no norm of query and key"] = replace(query_key_norm=False)
    wrong["query heads grouped by remainder"] = "interleaved"
    return wrong


def sensitivity(semantics, weights, pairs, log_probs):
    """Largest change of a token log-prob, in nats, under each wrong reading."""
    effects = {}
    for name, wrong in wrong_readings(semantics).items():
        changed = weights
        if wrong == "interleaved":
            wrong, changed = semantics, regrouped(semantics, weights)
        if name.startswith("no norms before"):
            changed = {key.replace("pre_feedforward", "post_attention"): value for key, value in weights.items()}
            changed.update({key: weights[key] for key in weights if "post_attention" not in key})
        effects[name] = (score(wrong, changed, pairs)[1] - log_probs).abs().max().item()
    if semantics.biases:
        without = {name: weight for name, weight in weights.items() if not name.endswith(".bias")}
        effects["no biases"] = (score(semantics, without, pairs)[1] - log_probs).abs().max().item()
    return effects


def regrouped(semantics, weights):
    """Query heads in another order, so that head h meets key-value head h mod KV and not h div (H / KV)."""
    heads, size = semantics.head_count, semantics.head_size
    if semantics.key_value_head_count == 1:
        order = list(reversed(range(heads)))
    else:
        order = [head for rest in range(semantics.key_value_head_count) for head in range(rest, heads, semantics.key_value_head_count)]
    rows = torch.cat([torch.arange(head * size, (head + 1) * size) for head in order])
    return {name: weight[rows] if ".q_proj." in name else weight for name, weight in weights.items()}


def record(name, variant):
    config, seed = variant["config"], variant["seed"]
    folder = os.path.join(GOLDEN, "models", name)
    stored = random_weights(config, variant["dtype"], seed)
    adapter = random_adapter(config, 100 + seed)
    write_model(folder, variant, stored)
    write_adapter(os.path.join(folder, "adapter"), adapter, f"golden/{name}")

    semantics, pairs = semantics_of(config), random_pairs(LENGTHS, 200 + seed, VOCABULARY)
    weights = {key: weight.double().requires_grad_() for key, weight in stored.items()}
    logits, log_probs = score(semantics, weights, pairs)
    draws = numpy.random.RandomState(300 + seed).standard_normal(len(log_probs))
    upstream = torch.from_numpy(draws).float().double()
    (upstream * log_probs).sum().backward()

    frozen = {key: weight.detach() for key, weight in weights.items()}
    lora = {path: (a.double().requires_grad_(), b.double().requires_grad_()) for path, (a, b) in adapter.items()}
    _, lora_log_probs = score(semantics, frozen, pairs, lora)
    (upstream * lora_log_probs).sum().backward()

    effects = sensitivity(semantics, frozen, pairs, log_probs.detach())
    weak = [reading for reading, effect in effects.items() if not effect > LEAST_EFFECT]
    assert not weak, f"{name} cannot tell: {weak}"

    tensors = {f"gradient.{key}": weight.grad.float() for key, weight in weights.items()}
    tensors.update({f"gradient.{key}": matrix.float() for key, matrix in peft_tensors(gradients(lora)).items()})
    tensors["logits"] = torch.cat(logits).detach().float()
    tensor_files.write(os.path.join(folder, "expected.safetensors"), tensors)
    expected = {
        "versions": versions(seed),
        "about": "vectors run pair by pair, chosen before rejected; each response alone behind its prompt; nats",
        "pairs": pairs,
        "upstream": upstream.tolist(),
        "logProbs": log_probs.tolist(),
        "loraLogProbs": lora_log_probs.tolist(),
        "effectsOfWrongReadings": effects,
    }
    write_rows_json(os.path.join(folder, "expected.json"), expected)
    print(f"{name}: {len(log_probs)} tokens, mean {log_probs.mean():.3f}", {k: round(v, 3) for k, v in effects.items()})


def gradients(lora):
    return {path: (a.grad, b.grad) for path, (a, b) in lora.items()}


if __name__ == "__main__":
    single_threaded()
    for name, variant in VARIANTS.items():
        record(name, variant)
