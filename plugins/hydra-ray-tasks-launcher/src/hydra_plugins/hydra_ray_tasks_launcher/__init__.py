"""Launch the jobs of a Hydra sweep as plain Ray tasks."""

__version__ = "0.2.0"
