"""A forecast as JSON."""

from __future__ import annotations

import json
from typing import Any

from llmbench.estimate.forecast import OUTSIDE_BYTES, Forecast, Prediction


def data(forecast: Forecast) -> str:
    """Every figure in bytes, tokens or sequences; null for what is not known."""
    config, environment = forecast.setup.config, forecast.setup.environment
    settings = config.settings.model_dump(include={"batch_size", "accumulation", "seq_len"})
    values = {
        "model": forecast.setup.source.id,
        "settings": {**settings, "precision": config.settings.precision},
        "gpu": environment.device_name,
        "gpu_memory_bytes": environment.device_memory_bytes or None,
        "outside_bytes": OUTSIDE_BYTES,
        "notices": forecast.notices,
        "compositions": [row(r) for r in forecast.rows],
    }
    return json.dumps(values, indent=2)


def row(prediction: Prediction) -> dict[str, Any]:
    """One composition."""
    estimate = prediction.estimate
    training = prediction.training_rule_bytes
    return {
        "composition": prediction.cell.composition,
        "predicted_peak_memory_bytes": prediction.peak_bytes,
        "parts": estimate.parts.model_dump() if estimate.parts else None,
        "not_predicted": estimate.reason,
        "parameters": estimate.parameters.model_dump() if estimate.parameters else None,
        "fits": prediction.fits,
        "largest_batch_size": estimate.largest_batch_size,
        "longest_seq_len": estimate.longest_seq_len,
        "rules_of_thumb": {
            "load_bytes": prediction.loading_rule_bytes,
            "train_bytes": list(training) if training else None,
        },
    }
