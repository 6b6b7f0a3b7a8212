"""Tune a support vector machine on handwritten digits.

Run: python digits.py --multirun  (15 trials of the 60 points in digits.yaml, half a minute)
"""

import hydra
from omegaconf import DictConfig
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC


@hydra.main(version_base="1.3", config_path=".", config_name="digits")
def main(cfg: DictConfig) -> float:
    """Mean accuracy over three folds."""
    images, labels = load_digits(return_X_y=True)
    model = SVC(C=cfg.C, gamma=cfg.gamma, kernel=cfg.kernel)
    return float(cross_val_score(model, images / 16, labels, cv=3).mean())


if __name__ == "__main__":
    main()
