import timm
import torch

from pipeline.models.tensor_names import LAYOUTS, detect


def timm_names(arch: str) -> set[str]:
    with torch.device("meta"):
        return {n for n in timm.create_model(arch).state_dict() if "num_batches" not in n}


def test_both_paddle_layouts_name_every_tensor_of_resnet50d_once(golden):
    new = list(golden.arrays())
    for names in (new, [golden.old_name(name) for name in new]):
        layout = detect(names)
        assert layout is not None
        assert layout.arch == "resnet50d"
        assert layout.head_transposed
        renamed = [layout.rename(name) for name in names]
        assert len(renamed) == len(set(renamed)) == 277
        assert set(renamed) == timm_names("resnet50d")


def test_both_paddle_layouts_mean_the_same_tensors(golden):
    names = list(golden.arrays())
    new, old = detect(names), detect([golden.old_name(name) for name in names])
    assert new is not None
    assert old is not None
    assert new.title != old.title
    for name in names:
        assert new.rename(name) == old.rename(golden.old_name(name))


def test_rt_detr_layout_names_the_backbone(golden):
    """The module tree of RT-DETR's presnet.py: no head, and a pool before three shortcuts."""
    names = []
    for norm_or_conv, leaves in (
        ("conv", ["weight"]),
        ("norm", ["weight", "bias", "running_mean", "running_var"]),
    ):
        units = [f"conv1.conv1_{i}" for i in (1, 2, 3)]
        for stage, depth in enumerate((3, 4, 6, 3)):
            prefix = f"res_layers.{stage}.blocks"
            units += [f"{prefix}.{i}.branch2{b}" for i in range(depth) for b in "abc"]
            units.append(f"{prefix}.0.short" + (".conv" if stage else ""))
        names += [f"{unit}.{norm_or_conv}.{leaf}" for unit in units for leaf in leaves]
    layout = detect(names)
    assert layout is not None
    renamed = [layout.rename(name) for name in names]
    assert len(renamed) == len(set(renamed)) == 275
    assert set(renamed) == timm_names("resnet50d") - {"fc.weight", "fc.bias"}


def test_names_outside_a_layout_are_unknown_to_it():
    strangers = ["", "fc", "blocks.16.conv0.conv.weight", "bb_4_0.conv0._conv.weight", "stem.3.x"]
    for layout in LAYOUTS:
        assert [layout.rename(name) for name in strangers] == [None] * len(strangers)


def test_timm_names_are_no_foreign_layout():
    assert detect(timm_names("resnet50d")) is None
    assert detect(timm_names("tf_efficientnet_lite0")) is None
