"""Holds what `yohaku score` wrote against transformers and peft: python3 verify_scores.py MODEL DATA.jsonl SCORES.jsonl [ADAPTER]. Works on any
model folder, also one that `yohaku train` or `yohaku export` wrote; the data is plain text pairs (id, prompt, chosen, rejected)."""
import json
import sys

import torch
import transformers

TOLERANCE = 2e-4


def token_log_probs(model, tokenizer, prompt, response):
    """Plain text: the prompt as the tokenizer takes it (with its BOS, if it adds one), the response with an end of text."""
    before = tokenizer(prompt)["input_ids"]
    after = tokenizer(response, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    logits = model(torch.tensor([[*before, *after]])).logits[0, len(before) - 1 : -1].double()
    return logits.log_softmax(-1)[torch.arange(len(after)), torch.tensor(after)]


@torch.no_grad()
def main(model_folder, data_file, scores_file, adapter_folder=None):
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float64, attn_implementation="eager")
    if adapter_folder is not None:
        import peft

        model = peft.PeftModel.from_pretrained(model, adapter_folder).double()
    model.eval()
    lines = lambda path: [json.loads(line) for line in open(path, encoding="utf-8") if line.strip()]
    rows, worst = {row["id"]: row for row in lines(data_file)}, 0.0
    scored = lines(scores_file)
    for line in scored:
        for side in ("chosen", "rejected"):
            expected = token_log_probs(model, tokenizer, rows[line["id"]]["prompt"], rows[line["id"]][side])
            found = torch.tensor(line[side]["logProbs"], dtype=torch.float64)
            assert found.shape == expected.shape, (line["id"], side, found.shape, expected.shape)
            worst = max(worst, (found - expected).abs().max().item())
    print(f"{model_folder}{' + ' + adapter_folder if adapter_folder else ''}: {len(scored)} pairs, log-probs differ by up to {worst:.1e} nats")
    return worst >= TOLERANCE


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    sys.exit(main(*sys.argv[1:]))
