"""Fine-tune a pretrained network on image datasets and search its hyperparameters.

The switches below are for libraries, which read them when they are imported or first used.
"""

import os

__version__ = "0.2.0"

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("DVC_NO_ANALYTICS", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

# A thread that spins at a barrier keeps other threads off its core when anything else runs. On two
# shared cores one step took 40 s instead of 1.5 s.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Whether there is an accelerator is asked of the driver: CUDA, once it has started, keeps all
# devices that it saw, and a process takes one of them later. Number them as the driver does.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
