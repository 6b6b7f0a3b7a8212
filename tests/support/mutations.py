"""Changes of the deciding code by name: module, what it says, what it says then."""

SCHEDULE, AUGMENT, DATA = "training/schedule.py", "training/augment.py", "training/data.py"
CLASSIFIER, LOSSES, TRIAL = "training/classifier.py", "training/losses.py", "training/trial.py"
METRICS, GROUPS = "training/metrics.py", "training/parameter_groups.py"
BALANCE, OBJECTIVES = "training/balance.py", "training/objectives.py"
BACKBONES, LAYOUTS = "models/backbones.py", "models/tensor_names.py"

MUTATIONS = {
    "loss of the partners": (LOSSES, "(1 - lam) * other", "lam * other"),
    "mixed images": (LOSSES, "lerp(partners, images, lam)", "lerp(images, partners, lam)"),
    "smoothing epsilon": (CLASSIFIER, "self.recipe.smoothing_epsilon if", "0.1 if"),
    "warm-up": (SCHEDULE, "return step / warmup", "return (step + 1) / warmup"),
    "cosine's length": (SCHEDULE, "max(1, self.steps - warmup)", "max(1, self.steps)"),
    "cosine per epoch": (SCHEDULE, "step - step % self.steps_per_epoch", "step"),
    "linear scaling": (SCHEDULE, "REFERENCE_BATCH = 256", "REFERENCE_BATCH = 128"),
    "last partial batch": (
        SCHEDULE,
        "self.images // self.batch_size",
        "math.ceil(self.images / self.batch_size)",
    ),
    "Kornblith's batch norm": (SCHEDULE, "min(10 / self", "min(20 / self"),
    "a lone image's slice": (SCHEDULE, "starts.pop()", "pass"),
    "batch norm's momentum": (CLASSIFIER, "= schedule.batch_norm_momentum()", "= 0.1"),
    "rate of the next step": (
        CLASSIFIER,
        "factor(self.global_step)",
        "factor(self.global_step + 1)",
    ),
    "weight of a micro-batch": (CLASSIFIER, ") / len(labels)", ") / (part.stop - part.start)"),
    "decay over the stated rate": (CLASSIFIER, "decay / peak if", "decay / self.point.lr if"),
    "Nesterov": (CLASSIFIER, "nesterov=self.recipe.nesterov", "nesterov=False"),
    "momentum of the optimiser": (CLASSIFIER, "momentum=self.recipe.momentum", "momentum=0.9"),
    "mean of the pixels": (
        CLASSIFIER,
        "255 * torch.tensor(model.mean)",
        "torch.tensor(model.mean)",
    ),
    "losses in a checkpoint": (CLASSIFIER, "[loss.cpu() for loss in self._losses]", "[]"),
    "decay of biases": (
        GROUPS,
        "list(network.parameters())",
        "[each for each in network.parameters() if each.ndim > 1]",
    ),
    "rate of the head": (GROUPS, "[*factors, 1.0]", "[*factors, factors[-1]]"),
    "tries of a crop": (AUGMENT, "TRIES = 10", "TRIES = 9"),
    "aspect of a crop": (AUGMENT, "ASPECT = (3 / 4, 4 / 3)", "ASPECT = (2 / 3, 3 / 2)"),
    "aspect as Paddle's": (
        AUGMENT,
        "math.sqrt(rng.uniform(*ASPECT))",
        "rng.uniform(*ASPECT)",
    ),
    "crop that never fits": (AUGMENT, "round(width / ASPECT[0])", "round(width / ASPECT[1])"),
    "resize of a crop": (
        AUGMENT,
        ".resize(window.target, Image.Resampling.BILINEAR)",
        ".resize(window.target, Image.Resampling.BICUBIC)",
    ),
    "centre crop": (
        AUGMENT,
        "start = ((target[0] - size) // 2, (target[1] - size) // 2)",
        "start = (0, 0)",
    ),
    "rounding as OpenCV's": ("training/bilinear.py", "(quarters + 2) >> 2", "quarters >> 2"),
    "flips": (AUGMENT, "rng.random() < 0.5", "rng.random() < 0.4"),
    "order of an epoch": (DATA, 'generator("order", self.seed, epoch)', 'generator("order", 3, 0)'),
    "seed of the crops": (DATA, 'generator("crop", self.seed, ', 'generator("crop", 3, '),
    "mixup's lambda": (DATA, "rng.beta(recipe.mixup_alpha, ", "rng.beta(0.2, "),
    "mixup's partners": (DATA, "rng.permutation(len(rows))", "np.arange(len(rows))[::-1].copy()"),
    "step of a resumed trial": (DATA, "range(first, len(self))", "range(0, len(self))"),
    "what a final trial trains on": (
        DATA,
        '("train", "val"), measure=None',
        '("train",), measure=None',
    ),
    "what Paddle trains on": (
        DATA,
        '("train", "val"), measure="test"',
        '("train",), measure="test"',
    ),
    "address of a generator": (
        "training/random_streams.py",
        "[zlib.crc32(word.encode()), *address]",
        "[*address]",
    ),
    "weight of a class": (BALANCE, "present.sum() * images", "images"),
    "weight of a partner's class": (LOSSES, "class_weights[targets]", "class_weights[labels]"),
    "chances of a class": (
        BALANCE,
        "weights / weights.sum()",
        "np.full(len(labels), 1 / len(labels))",
    ),
    "draws of an epoch": (
        DATA,
        "rng.choice(self.rows, len(self.rows), p",
        "rng.choice(self.rows, len(self.rows), False, p",
    ),
    "a share of the images": (
        BALANCE,
        "round(share * len(of_class))",
        "int(share * len(of_class))",
    ),
    "which images a share has": (
        BALANCE,
        'generator("share", int(label))',
        'generator("share", 0)',
    ),
    "objective by the loss": (OBJECTIVES, 'math.exp(-metrics["loss"])', 'metrics["loss"]'),
    "objective by its name": (OBJECTIVES, "float(metrics[name])", 'float(metrics["top1"])'),
    "objective as Paddle's": (TRIAL, "max(curve, key=", "min(curve, key="),
    "empty classes": (METRICS, "per_class[images > 0]", "per_class[images >= 0]"),
    "Paddle's batch": (METRICS, "PADDLE_BATCH = 32", "PADDLE_BATCH = 16"),
    "seed of a random start": (
        BACKBONES,
        "default_generator.manual_seed(seed)",
        "default_generator.manual_seed(3)",
    ),
    "range of a fresh head": (BACKBONES, "1 / math.sqrt(head.in_features)", "1 / head.in_features"),
    "a pretrained head": (
        BACKBONES,
        "return network, loaded.head == num_classes",
        "return network, False",
    ),
    "published norms": (LAYOUTS, '("conv1.1", "conv1.4", "bn1")', '("conv1.4", "conv1.1", "bn1")'),
    "order of rows": ("datasets/manifest.py", "list(splits)))", "list(splits)))[::-1]"),
    "a simulated figure": (
        "trials/simulated.py",
        "self.objective if self.top1 is None else self.top1",
        "self.loss",
    ),
}
"""Changes after which trials compute other numbers: module, what it says, what it says then."""

RESAMPLING, CROPPING = "training/resampling.py", "training/cropping.py"
CROPS = {
    "rounding of the inner axis": (RESAMPLING, "half=1 << (BITS - 1)", "half=0"),
    "rounding of the outer axis": (RESAMPLING, "1 << (rounding.outer - 1)", "0"),
    "rounding of a coefficient": (RESAMPLING, "(0.5 + weights * ", "(weights * "),
    "rounding as OpenCV's, on a device": (RESAMPLING, "inner=4, product=16", "inner=3, product=17"),
    "axis that comes first": (RESAMPLING, "> 2 * (width - target", "> (width - target"),
    "number of taps": (RESAMPLING, "2 * int(np.ceil(", "2 * int(np.floor("),
    "clip at the first pixel": (RESAMPLING, "number).clamp(min=0)", "number)"),
    "clip at the last pixel": (RESAMPLING, "self.length[:, None] - 1", "self.length[:, None]"),
    "an enlarged box": (RESAMPLING, "scale.clamp(min=1.0)", "scale"),
    "side that is mirrored": (RESAMPLING, "done.flip(2)", "done.flip(1)"),
    "a turned crop": (RESAMPLING, "done.transpose(1, 2), done)", "done, done)"),
    "first pixel of a box": (CROPPING, "top * width + left", "top * width + left + 1"),
    "length of a line": (
        CROPPING,
        "_place(first, width, window)",
        "_place(first, width + 1, window)",
    ),
    "place of a copied box": (CROPPING, "* (bottom - top)\n", "* (bottom - top) - 1\n"),
    "a copied box": (CROPPING, "[top:bottom, left:right]", "[top:bottom, left:right][::-1]"),
    "start in a resized box": (CROPPING, "*window.start, window.flip", "0, 0, window.flip"),
}
"""Changes after which crops on a device have other bytes than those of the host."""

DEFAULTS = {
    "momentum": ("settings/schema.py", "momentum: Fraction = 0.9", "momentum: Fraction = 0.8"),
    "mixup_alpha": (
        "settings/schema.py",
        "mixup_alpha: Positive = 0.2",
        "mixup_alpha: Positive = 0.3",
    ),
}
"""Changed defaults: keys hold the values of a recipe, so they change by themselves."""

REWORDED = {
    "nothing": (LOSSES, "", ""),
    "a message": (GROUPS, "set it to null for this model", "make it null"),
    "a local variable": (
        GROUPS,
        "(i for i, pattern in enumerate(_STAGES) if pattern.match(name))",
        "(n for n, each in enumerate(_STAGES) if each.match(name))",
    ),
}
