"""What these strategies cannot run without."""

from importlib.util import find_spec


def missing(strategy: str, package: str) -> str | None:
    """A sentence where the package is not installed."""
    if find_spec(package) is None:
        return f"{strategy} needs the package {package}: pip install {package}."
    return None
