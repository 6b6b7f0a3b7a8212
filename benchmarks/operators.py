"""Where the time of one training step of ResNet50_vd goes, by operator and by precision.

    python benchmarks/operators.py [--size 224] [--batch 8] [--json PATH]

Forward, loss and backward with the flags of a trial (channels_last) in float32 and under bf16
autocast, on the processor. bf16 pays only where the processor has instructions for it; elsewhere
this shows what ``precision: auto`` avoids.
"""

from __future__ import annotations

import pipeline  # noqa: F401  # before torch: it says how OpenMP's threads wait

# isort: split
import argparse
from pathlib import Path

import timm
import torch
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile

from pipeline.base.files import write_json
from pipeline.training.devices import resolve_precision

SHOWN = 6


def step(size: int, batch: int, bf16: bool) -> dict[str, float]:
    """Milliseconds that each operator itself takes in one step, after one step to warm up."""
    network = timm.create_model("resnet50d", num_classes=100)
    network = network.to(memory_format=torch.channels_last).train()
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch) % 100

    def once() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = network(images)
        cross_entropy(logits.float(), labels).backward()

    once()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        once()
    return {each.key: each.self_cpu_time_total / 1000 for each in profiler.key_averages()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=224, help="crops, in pixels (default: 224)")
    parser.add_argument("--batch", type=int, default=8, help="images of a step (default: 8)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there, too")
    arguments = parser.parse_args()
    capability = torch.backends.cpu.get_cpu_capability()
    print(f"{capability}; precision auto is {resolve_precision('auto', 'cpu')} here")
    results = {}
    for name in ("float32", "bf16"):
        times = step(arguments.size, arguments.batch, name == "bf16")
        whole = sum(times.values())
        results[name] = times
        print(f"{name}: {whole:.0f} ms a step, of which")
        for operator, spent in sorted(times.items(), key=lambda item: -item[1])[:SHOWN]:
            print(f"  {spent / whole:6.1%}  {operator}")
    if arguments.json:
        write_json(arguments.json, {"capability": capability, "milliseconds": results})


if __name__ == "__main__":
    main()
