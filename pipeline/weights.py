"""Say what a weights file holds, and convert it to timm's names.

Run: python -m pipeline.weights PATH [--to OUT.safetensors]
"""

import argparse
from pathlib import Path

import safetensors.torch

from pipeline.base.errors import UserError
from pipeline.base.files import write_bytes
from pipeline.models.sources import sha256
from pipeline.models.weights import LoadedWeights, load
from pipeline.settings.command_line import guarded
from pipeline.settings.folders import PROGRAM


def main(arguments: list[str] | None = None) -> None:
    """Describe a weights file and convert it if asked. Raises UserError if it is bad."""
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} weights", description=__doc__)
    parser.add_argument("path", type=Path, help="a .pdparams, .pth or .safetensors file")
    parser.add_argument(
        "--to", type=Path, metavar="OUT.safetensors", help="write it there, in timm's names"
    )
    parser.add_argument(
        "--arch", default="resnet50_vd", help="the network it must fit (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.to and options.to.suffix != ".safetensors":
        raise UserError(f"--to {options.to}: the name must end in .safetensors")
    loaded = load(options.path, options.arch)
    print(_description(loaded, options.arch))
    if options.to:
        print(f"written  {options.to} (sha256 {_convert(loaded, options.to)})")


def _description(loaded: LoadedWeights, arch: str) -> str:
    values = sum(tensor.numel() for tensor in loaded.state.values())
    filled = "all of the network filled" + ("" if loaded.head else " but its head")
    return (
        f"file     {loaded.path} ({loaded.path.stat().st_size:,} bytes)\n"
        f"sha256   {loaded.sha256}\n"
        f"layout   {loaded.layout}\n"
        f"tensors  {len(loaded.state)}, {values:,} values\n"
        f"head     {f'{loaded.head} classes' if loaded.head else 'none'}\n"
        f"matches  {arch}: every tensor of the file used once, {filled}"
    )


def _convert(loaded: LoadedWeights, path: Path) -> str:
    """Write the weights in timm's names; return the digest of the file."""
    metadata = {"format": "pt", "arch": loaded.arch, "source_sha256": loaded.sha256}
    try:
        write_bytes(path, safetensors.torch.save(loaded.state, metadata))
    except OSError as error:
        raise UserError(f"--to {path}: {error.strerror}") from None
    return sha256(path)


if __name__ == "__main__":
    guarded(main, resumes=False)
