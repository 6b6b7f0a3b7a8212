"""Search with Gaussian processes: the engine behind Hydra's sweeper ``skopt``."""

__version__ = "0.2.0"
