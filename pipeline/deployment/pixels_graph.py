"""Put resizing and cropping in front of an exported model: decoded pixels in, probabilities out."""

from collections.abc import Iterator

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
    steps = [
        nodes.replace("#", f"{number}").replace("@", f"image{number - 1}")
        for number, nodes in enumerate(_steps(description), start=1)
    ]
    size = description.image_size
    versions = ", ".join(f'"{each.domain}" : {each.version}' for each in model.opset_import)
    front = parser.parse_model(f"""
        <ir_version: {model.ir_version}, opset_import: [{versions}]>
        preprocessing (uint8[H, W, 3] {PIXELS}) => (float[1, 3, {size}, {size}] crops) {{
            zero = Constant <value_ints = [0]> ()
            colours = Constant <value_ints = [1, 3]> ()
            channels = Transpose <perm = [2, 0, 1]> ({PIXELS})
            image0 = Unsqueeze (channels, zero)
            {"".join(steps)}
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


def _steps(description: Description) -> Iterator[str]:
    """Yield the nodes of each step, which turn ``@`` into ``image#``, both uint8 [1, 3, H, W].

    ``#`` is the number of the step, because each name in a graph is used once.
    """
    if rows := description.decoding.crop_bottom:
        yield f"""
            one = Constant <value_ints = [1]> ()
            two = Constant <value_ints = [2]> ()
            height# = Shape <start = 2, end = 3> (@)
            cut# = Constant <value_ints = [{rows}]> ()
            rest# = Sub (height#, cut#)
            rows# = Max (rest#, one)
            image# = Slice (@, zero, rows#, two)
        """
    if side := description.decoding.side:
        # round(width * side / short), only where the short side is longer
        yield _resize(
            side,
            """
            product# = Mul (sides#, wanted#)
            ratio# = Div (product#, short#)
            rounded# = Round (ratio#)
            target# = Min (rounded#, sides#)
            """,
        )
    # round(width * (resize_size / short))
    yield _resize(
        description.resize_size,
        """
            factor# = Div (wanted#, short#)
            product# = Mul (sides#, factor#)
            target# = Round (product#)
        """,
    )
    yield f"""
            crop# = Constant <value_ints = [{description.image_size}, {description.image_size}]> ()
            image# = CenterCropPad <axes = [2, 3]> (@, crop#)
    """


def _resize(side: int, target: str) -> str:
    """Write a resize to the sides that the nodes ``target`` compute in float64, as Python does."""
    return f"""
            shape# = Shape <start = 2> (@)
            sides# = Cast <to = 11> (shape#)
            short# = ReduceMin <keepdims = 1> (sides#)
            whole# = Constant <value_ints = [{side}]> ()
            wanted# = Cast <to = 11> (whole#)
            {target}
            size# = Cast <to = 7> (target#)
            sizes# = Concat <axis = 0> (colours, size#)
            image# = Resize <mode = "linear", antialias = 1> (@, , , sizes#)
    """
