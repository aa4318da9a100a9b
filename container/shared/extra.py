"""Says whether the packages of the extra `serving` are installed, before anything imports them."""

from __future__ import annotations

from importlib import util

PACKAGES = {
    "mms": "multi-model-server",
    "prometheus_client": "prometheus-client",
    "sagemaker_inference": "sagemaker-inference",
}
"""Module → distribution. Java and HAProxy may come from the machine instead; what starts them reports their absence."""


def what_is_missing() -> str | None:
    """Returns one line that names the missing packages and how to install them, None where all are there."""
    missing = [distribution for module, distribution in PACKAGES.items() if util.find_spec(module) is None]
    if not missing:
        return None
    return (
        f"{', '.join(missing)} not installed: the endpoint needs the extra `serving`. In a clone of the repository run "
        "pip install '.[serving]', with a wheel pip install 'endpoint_capture-….whl[serving]'"
    )
