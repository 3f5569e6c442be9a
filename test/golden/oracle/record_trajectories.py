"""Records optimiser steps on recorded models in float64: twelve of α-DPO (LoRA from a fresh adapter on llama and gemma2, a full fine-tune of
llama), and four of every other method (LoRA, the same adapters)."""
import os

from files import GOLDEN, single_threaded, versions, write_adapter, write_rows_json
from random_model import ALPHA, RANK, random_adapter, random_pairs, random_weights
from training import Policy, gap_metrics, plain_metrics, train
from variants import VARIANTS, VOCABULARY

LENGTHS = [[6, 5, 8], [3, 7, 2], [9, 4, 4], [1, 6, 3], [7, 1, 5], [4, 9, 6], [8, 3, 7], [5, 6, 1]] * 3

ALPHA_DPO = {
    "method": "alpha-dpo",
    "beta": 2.5,
    "gammaBetaRatio": 0.6,
    "alpha": 0.2,
    "labelSmoothing": 0.0,
    "statistics": "adaptive",
    "gapStdFloor": 1e-3,
}
OPTIMISER = {
    "batch": 4,
    "epochs": 2,
    "schedule": "cosine",
    "warmupRatio": 0.1,
    "weightDecay": 0.1,
    "adamBeta1": 0.9,
    "adamBeta2": 0.999,
    "adamEpsilon": 1e-8,
    "maxGradNorm": 1.0,
    "shuffle": False,
}
LORA = {"loraRank": RANK, "loraAlpha": ALPHA}
RUNS = {
    "llama-lora": {"model": "llama", "seed": 41, "config": {**ALPHA_DPO, **OPTIMISER, **LORA, "learningRate": 5e-3}},
    "gemma2-lora": {"model": "gemma2", "seed": 42, "config": {**ALPHA_DPO, **OPTIMISER, **LORA, "learningRate": 5e-3}},
    "llama-full": {"model": "llama", "seed": 43, "config": {**ALPHA_DPO, **OPTIMISER, "loraRank": 0, "learningRate": 1e-3}},
}
# Norms and biases must not decay: at this rate of decay it shows.
for index, model in enumerate(["qwen2", "gemma3"]):
    decaying = {**ALPHA_DPO, **OPTIMISER, "epochs": 1, "warmupRatio": 0.0, "weightDecay": 40.0, "loraRank": 0, "learningRate": 1e-3}
    RUNS[f"{model}-full"] = {"model": model, "seed": 45 + index, "config": decaying}

# Four steps at once at full speed: from the second on, policy and reference differ.
SHORT = {**OPTIMISER, **LORA, "epochs": 1, "schedule": "constant", "warmupRatio": 0.0, "weightDecay": 0.0, "learningRate": 5e-3}
ROWS = 16
METHODS_SEED = 44
# Divergences grow with the square of the way gone: at this rate TDPO and DPO part.
FAST = {"learningRate": 3e-2}
DPO = {"method": "dpo", "beta": 0.1}
METHODS = [
    ("llama-lora", "alpha-dpo lagged", {**ALPHA_DPO, "statistics": "lagged"}),
    ("llama-lora", "simpo", {"method": "simpo", "beta": 2.5, "gammaBetaRatio": 0.55}),
    ("llama-lora", "dpo", DPO),
    ("llama-lora", "dpo, weighted rows", {**DPO, "weights": [1.0, 0.5, 2.0, 0.25] * 4}),
    ("llama-lora", "robust dpo", {**DPO, "dpoLoss": "robust", "labelSmoothing": 0.1}),
    ("llama-lora", "hinge", {**DPO, "dpoLoss": "hinge"}),
    ("llama-lora", "dpo with an sft term", {**DPO, "sftWeight": 0.3}),
    ("llama-lora", "wpo weighting", {**DPO, "useWeighting": True}),
    ("gemma2-lora", "wpo weighting", {**DPO, "useWeighting": True}),
    ("llama-lora", "ipo", {"method": "ipo", "beta": 0.1, "ipoReduction": "mean"}),
    ("llama-lora", "cpo", {"method": "cpo", "beta": 0.1, "sftWeight": 1.0}),
    ("llama-lora", "orpo", {"method": "orpo", "beta": 0.1, "sftWeight": 1.0}),
    ("llama-lora", "r-dpo", {"method": "r-dpo", "beta": 0.1, "lengthPenalty": 0.05}),
    ("llama-lora", "alphapo", {"method": "alphapo", "beta": 2.5, "gammaBetaRatio": 0.04, "alphaPoAlpha": 0.25}),
    ("llama-lora", "ld-dpo", {"method": "ld-dpo", "beta": 0.1, "ldAlpha": 0.4}),
    ("llama-lora", "dpo, fast", {**DPO, **FAST}),
    ("llama-lora", "tdpo1, fast", {"method": "tdpo", "beta": 0.1, "tdpoVariant": 1, **FAST}),
    ("llama-lora", "tdpo2, fast", {"method": "tdpo", "beta": 0.1, "tdpoVariant": 2, "tdpoAlpha": 0.5, **FAST}),
    ("gemma2-lora", "dpo, fast", {**DPO, **FAST}),
    ("gemma2-lora", "tdpo2, fast", {"method": "tdpo", "beta": 0.1, "tdpoVariant": 2, "tdpoAlpha": 0.5, **FAST}),
    ("llama-lora", "kto", {"method": "kto", "beta": 0.1, "desirableWeight": 1.0, "undesirableWeight": 1.33}),
    ("llama-lora", "sft", {"method": "sft"}),
]


def start_of(run):
    """Config, weights and fresh adapter (or none) that a run starts from."""
    variant = VARIANTS[run["model"]]
    weights = random_weights(variant["config"], variant["dtype"], variant["seed"])
    if run["config"]["loraRank"] == 0:
        return variant["config"], weights, None
    return variant["config"], weights, random_adapter(variant["config"], run["seed"], zero_b=True)


def record(name, run):
    config, weights, adapter = start_of(run)
    folder = os.path.join(GOLDEN, "trajectories", name)
    os.makedirs(folder, exist_ok=True)
    if adapter is not None:
        write_adapter(os.path.join(folder, "adapter"), adapter, f"golden/{run['model']}")
    pairs = random_pairs(LENGTHS, 1000 + run["seed"], VOCABULARY)
    steps = train(Policy(config, weights, adapter), pairs, run["config"], gap_metrics)
    if adapter is None:
        undecided = train(Policy(config, weights, None), pairs, run["config"], gap_metrics, decays=lambda _: True)
        effect = max(abs(now["loss"] / then["loss"] - 1) for now, then in zip(undecided, steps))
        print(f"{name}: were norms and biases to decay, losses would be off by up to {effect:.1e}")
        assert effect > 5e-3 or run["config"]["weightDecay"] < 1
    recorded = {
        "versions": versions(run["seed"]),
        "about": "metrics of each step are taken before its update; grad_norm before clipping; gap/std is the sample deviation; nats",
        "model": run["model"],
        "config": run["config"],
        "pairs": pairs,
        "steps": steps,
    }
    write_rows_json(os.path.join(folder, "trajectory.json"), recorded)
    print(name, [round(step["loss"], 5) for step in recorded["steps"]])


def row_sets():
    """The rows of the short runs: pairs; unpaired rows, each beside the completion of the row before it; rows of one response."""
    pairs = random_pairs(LENGTHS[:ROWS], METHODS_SEED, VOCABULARY)
    unpaired = [
        {**pair, "rejectedIds": pairs[index - 1]["chosenIds"], "label": index % 3 != 1} for index, pair in enumerate(pairs)
    ]
    return {"pairs": pairs, "unpaired": unpaired, "supervised": [{**pair, "rejectedIds": []} for pair in pairs]}


def record_methods():
    rows, runs = row_sets(), []
    for start, name, options in METHODS:
        weights = options.get("weights")
        config = {**SHORT, **{key: value for key, value in options.items() if key != "weights"}}
        kind = {"kto": "unpaired", "sft": "supervised"}.get(options["method"], "pairs")
        steps = train(Policy(*start_of(RUNS[start])), rows[kind], config, plain_metrics, weights)
        run = {"name": name, "start": start, "model": RUNS[start]["model"], "rows": kind, "config": config}
        runs.append({**run, **({"weights": weights} if weights else {}), "steps": steps})
        print(f"{name} on {start}", [round(step["loss"], 5) for step in steps], [round(step["grad_norm"], 3) for step in steps])
    recorded = {
        "versions": versions(METHODS_SEED),
        "about": "loss and gradient norm of each step before its update; `start` names the trajectory whose adapter a run starts from",
        "rowSets": rows,
        "runs": runs,
    }
    write_rows_json(os.path.join(GOLDEN, "trajectories", "methods.json"), recorded)


if __name__ == "__main__":
    single_threaded()
    for name, run in RUNS.items():
        record(name, run)
    record_methods()
