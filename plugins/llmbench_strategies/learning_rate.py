"""A learning rate for one composition: `lora+learning-rate(to=1e-3)`."""

from pydantic import Field

from llmbench.machine import Environment
from llmbench.plugin.strategy import Strategy
from llmbench.record.settings import Settings


class LearningRate(Strategy):
    """Trains at a learning rate of its own, which is then not searched for."""

    id = "learning-rate"
    summary = "a given learning rate, instead of the one that is searched for"
    group = "learning-rate"
    in_all = False
    sets_learning_rate = True

    to: float = Field(gt=0, description="The peak learning rate.", examples=[1e-3])

    def adjust(self, settings: Settings, environment: Environment) -> Settings:
        """Declare the rate."""
        return settings.model_copy(update={"learning_rate": self.to})
