"""What may run a compiled pipeline."""

from typing import Literal

Target = Literal["vertex", "kubeflow"]
