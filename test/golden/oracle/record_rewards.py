"""Records what each model of record_models.py gives as a reward model: of every response behind its prompt, the score of its last token. The head is one
weight without a bias, as transformers' ...ForSequenceClassification with one label has it."""
import json
import os

import numpy
import torch

import tensor_files
from decoder import reward, semantics_of
from files import GOLDEN, single_threaded, versions, write_rows_json
from record_models import responses_of
from variants import VARIANTS

SEED = 61


def record(index, name):
    folder = os.path.join(GOLDEN, "models", name)
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        semantics = semantics_of(json.load(file))
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
        pairs = json.load(file)["pairs"]
    weights = {}
    for part in sorted(entry for entry in os.listdir(folder) if entry.startswith("model") and entry.endswith(".safetensors")):
        weights.update({key: value.double() for key, value in tensor_files.read(os.path.join(folder, part)).items()})
    hidden = weights["model.norm.weight"].shape[0]
    stream = numpy.random.RandomState(SEED + index)
    score = torch.from_numpy(stream.standard_normal(hidden)).float()
    # The token that ends one of the conversations: its reward is then of the token before.
    pad = pairs[0]["chosenIds"][-1]
    rewards = [reward(semantics, weights, score.double(), [*prompt, *response], pad) for prompt, response in responses_of(pairs)]
    assert numpy.ptp(rewards) > 1, (name, rewards)
    return {"padTokenId": pad, "score": score.tolist(), "rewards": rewards}


if __name__ == "__main__":
    single_threaded()
    recorded = {name: record(index, name) for index, name in enumerate(VARIANTS)}
    about = "one reward a response, pair by pair, chosen before rejected; each response alone behind its prompt"
    write_rows_json(os.path.join(GOLDEN, "rewards.json"), {"versions": versions(SEED), "about": about, "models": recorded})
