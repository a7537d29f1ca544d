"""Generated tokens per second of a 124M GPT-2 shape on a GPU, as `causal_lm` decodes. Needs torch and transformers.

Random weights: they end no row early, so every row is written to its full length.
"""

import argparse
import time

import torch

from generators.text.decoding import Choice, write


def gpt2(device):
    """Return GPT-2's smallest shape (124M) with random weights, in bfloat16."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(n_positions=1024)).eval()
    return model.to(device, torch.bfloat16 if device == "cuda" else torch.float32)


def measure(model, rows, tokens, device):
    """Return tokens per second over the second of two runs."""
    choice = Choice(
        temperature=1.0, top_p=0.95, repetition_penalty=1.0, no_repeat_ngram=0, end=50256, pad=50256, silent=[50256]
    )
    for _ in range(2):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        made = write(model, [50256], rows, tokens, choice, device)
        seconds = time.perf_counter() - start
    return sum(map(len, made)) / seconds


def main() -> None:
    """Print tokens per second for several batch sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--tokens", type=int, default=128)
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(torch.cuda.get_device_name() if device == "cuda" else "CPU", torch.__version__)
    model = gpt2(device)
    for rows in args.rows:
        print(f"{rows:5} rows at once: {measure(model, rows, args.tokens, device):10,.0f} tokens/s", flush=True)


if __name__ == "__main__":
    main()
