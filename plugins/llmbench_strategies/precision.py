"""Another precision for one composition: `full+precision(to=bf16-true)`."""

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.precision import PRECISIONS
from llmbench.record.settings import Precision as Name
from llmbench.record.settings import Settings


class Precision(Strategy):
    """Trains in a precision of its own, so that precisions can be held against each other."""

    id = "precision"
    summary = "another number format than the other methods have"
    group = "precision"
    in_all = False

    to: Name = Field(description="As after --precision.", examples=["bf16-true"])

    def skip(self, settings: Settings, environment: Environment) -> str | None:
        """TF32, and a scaler of the loss, are a GPU's."""
        numerics = PRECISIONS[self.to]
        if (numerics.tf32 or numerics.scales_loss) and environment.device != "cuda":
            return f"{self.to} needs a GPU."
        return None

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """Declare the precision."""
        return settings.model_copy(update={"precision": self.to})
