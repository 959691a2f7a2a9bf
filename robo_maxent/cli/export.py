"""``robo-maxent export``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from robo_maxent.cli.arguments import Json, Result
from robo_maxent.cli.names import onnx_path
from robo_maxent.cli.policies import own_policy

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Export:
    """Write a policy as ONNX, with its normalizer and layout inside, and check the written file."""

    policy: Annotated[
        Positional[str],
        arg(metavar="RUN|POLICY", help="A run directory, .safetensors file or pretrained:NAME."),
    ]
    out: Path | None = None
    """The .onnx file; by default policy.onnx in the run, or beside the policy file."""
    as_json: Json = False

    def run(self) -> Result:
        """Write the file, and print where it is and by how much its actions differ at most."""
        import numpy as np

        from robo_maxent.interop import onnx_export as onnx

        path = self.out or onnx_path(self.policy)
        policy, _ = own_policy(self.policy)
        differs = onnx.write(policy, path, np.random.default_rng(0))
        if not self.as_json:
            other = onnx.LOGITS if policy.layout.is_discrete else onnx.TARGET
            what = " of a probability" if policy.layout.is_discrete else ""
            print(f"{path}: {onnx.OBSERVATION} -> {onnx.ACTION}, {other}")
            print(
                f"  largest difference{what} in {onnx.CHECKED:,} random observations: {differs:.2g}"
            )
        return {"onnx": str(path), "difference": differs, "checked": onnx.CHECKED}
