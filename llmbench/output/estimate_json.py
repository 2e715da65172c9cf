"""A forecast as JSON."""

from __future__ import annotations

import json
from typing import Any

from llmbench.estimate.forecast import OUTSIDE_BYTES, Forecast, Prediction


def data(forecast: Forecast) -> str:
    """Every figure in bytes, tokens or sequences; null for what is not known."""
    config, environment = forecast.setup.config, forecast.setup.environment
    settings = config.settings.model_dump(include={"batch_size", "accumulation", "seq_len"})
    found = {
        "model": forecast.setup.source.id,
        "settings": {**settings, "precision": config.settings.precision},
        "gpu": environment.device_name,
        "gpu_memory_bytes": environment.device_memory_bytes or None,
        "outside_bytes": OUTSIDE_BYTES,
        "notices": forecast.notices,
        "compositions": [row(r) for r in forecast.rows],
    }
    return json.dumps(found, indent=2)


def row(found: Prediction) -> dict[str, Any]:
    """One composition."""
    estimate = found.estimate
    training = found.training_rule_bytes
    return {
        "composition": found.cell.composition,
        "predicted_peak_memory_bytes": found.peak_bytes,
        "parts": estimate.parts.model_dump() if estimate.parts else None,
        "not_predicted": estimate.reason,
        "parameters": estimate.parameters.model_dump() if estimate.parameters else None,
        "fits": found.fits,
        "largest_batch_size": estimate.largest_batch_size,
        "longest_seq_len": estimate.longest_seq_len,
        "rules_of_thumb": {
            "load_bytes": found.loading_rule_bytes,
            "train_bytes": list(training) if training else None,
        },
    }
