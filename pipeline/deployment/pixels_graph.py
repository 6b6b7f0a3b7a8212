"""Put resizing and cropping in front of an exported model: decoded pixels in, probabilities out."""

from collections.abc import Callable, Iterator

import onnx
from onnx import compose, parser

from pipeline.deployment.description import Description
from pipeline.deployment.onnx_session import INPUT, OUTPUTS

PIXELS = "pixels"
"""Name of the input: one decoded image, uint8 [H, W, 3] of any size, RGB and upright."""


def with_preprocessing(model: onnx.ModelProto, description: Description) -> onnx.ModelProto:
    """Return a model that takes one decoded image of any size and prepares it itself.

    The steps are those of :meth:`Description.image` after decoding; each resize differs from
    Pillow's by at most 1 of 255. ``description.resize`` must be ``antialias``.
    """
    steps = list(_steps(description))
    size = description.image_size
    versions = ", ".join(f'"{each.domain}" : {each.version}' for each in model.opset_import)
    front = parser.parse_model(f"""
        <ir_version: {model.ir_version}, opset_import: [{versions}]>
        preprocessing (uint8[H, W, 3] {PIXELS}) => (float[1, 3, {size}, {size}] crops) {{
            zero = Constant <value_ints = [0]> ()
            one = Constant <value_ints = [1]> ()
            two = Constant <value_ints = [2]> ()
            colours = Constant <value_ints = [1, 3]> ()
            channels = Transpose <perm = [2, 0, 1]> ({PIXELS})
            image0 = Unsqueeze (channels, zero)
            {"".join(step(number) for number, step in enumerate(steps))}
            crops = Cast <to = 1> (image{len(steps)})
        }}
    """)
    merged = compose.merge_models(front, model, [("crops", INPUT)], outputs=list(OUTPUTS))
    merged.doc_string = (
        f"{description.title}. Input {PIXELS}: one decoded image, uint8 [H, W, 3], RGB, upright, "
        "of any size. The graph resizes, crops and normalises it."
    )
    onnx.checker.check_model(merged, full_check=True)
    return merged


Step = Callable[[int], str]
"""Writes the nodes that turn ``image{n}``, uint8 [1, 3, H, W], into ``image{n + 1}``."""


def _steps(description: Description) -> Iterator[Step]:
    if rows := description.decoding.crop_bottom:
        yield (
            lambda n: (
                f"""
            height{n} = Shape <start = 2, end = 3> (image{n})
            cut{n} = Constant <value_ints = [{rows}]> ()
            rest{n} = Sub (height{n}, cut{n})
            rows{n} = Max (rest{n}, one)
            image{n + 1} = Slice (image{n}, zero, rows{n}, two)
        """
            )
        )
    if side := description.decoding.side:
        # round(width * side / short), only where the short side is longer
        yield lambda n: _resize(n, side, f"""
            product{n} = Mul (sides{n}, wanted{n})
            ratio{n} = Div (product{n}, short{n})
            rounded{n} = Round (ratio{n})
            longer{n} = Greater (short{n}, wanted{n})
            target{n} = Where (longer{n}, rounded{n}, sides{n})
        """)  # fmt: skip
    # round(width * (resize_size / short))
    yield lambda n: _resize(n, description.resize_size, f"""
            factor{n} = Div (wanted{n}, short{n})
            product{n} = Mul (sides{n}, factor{n})
            target{n} = Round (product{n})
        """)  # fmt: skip
    yield (
        lambda n: (
            f"""
            shape{n} = Shape <start = 2> (image{n})
            crop{n} = Constant <value_ints = [{description.image_size}]> ()
            room{n} = Sub (shape{n}, crop{n})
            start{n} = Div (room{n}, two)
            end{n} = Add (start{n}, crop{n})
            axes{n} = Constant <value_ints = [2, 3]> ()
            image{n + 1} = Slice (image{n}, start{n}, end{n}, axes{n})
        """
        )
    )


def _resize(n: int, side: int, target: str) -> str:
    """Write a resize to the sides that the nodes ``target`` compute in float64, as Python does."""
    return f"""
            shape{n} = Shape <start = 2> (image{n})
            sides{n} = Cast <to = 11> (shape{n})
            short{n} = ReduceMin <keepdims = 1> (sides{n})
            whole{n} = Constant <value_ints = [{side}]> ()
            wanted{n} = Cast <to = 11> (whole{n})
            {target}
            size{n} = Cast <to = 7> (target{n})
            sizes{n} = Concat <axis = 0> (colours, size{n})
            image{n + 1} = Resize <mode = "linear", antialias = 1> (image{n}, , , sizes{n})
    """
