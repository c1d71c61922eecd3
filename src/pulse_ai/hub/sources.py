"""Where a model comes from: the package, the Hub or a folder."""

__all__ = ("EMBEDDED", "Found", "HubModel", "find_folder", "parse_hub_source")

import re
from pathlib import Path
from typing import NamedTuple

from pulse_ai.core import ProgressReport, TargetError
from pulse_ai.hub.settings import ClassificationSettings

EMBEDDED = Path(__file__).parent / "models" / "sentiment"
"""The sentiment model that ships in the package."""

_HUB = re.compile(r"hf:(?P<name>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[\w./-]+))?", re.ASCII)


class Found(NamedTuple):
    """A checkpoint on this machine.

    Attributes:
        folder: Where its files are.
        revision: The Hub commit that they are from; None where they are not from the Hub.
    """

    folder: Path
    revision: str | None = None


class HubModel(NamedTuple):
    """A model on the Hub.

    Attributes:
        name: ``owner/name``.
        revision: Branch, tag or commit; None means the default branch.
    """

    name: str
    revision: str | None = None


def find_folder(settings: ClassificationSettings, report: ProgressReport) -> Found:
    """Return where the checkpoint is, after fetching it if it is on the Hub.

    Raises:
        TargetError: The source does not exist, or cannot be used.
        LoadFailed: It exists but could not be fetched.
    """
    if settings.source.startswith("hf:"):
        from pulse_ai.hub.download import HubAccess, fetch_model

        model = parse_hub_source(settings.source, settings.revision)
        return fetch_model(model, settings.precision, HubAccess(offline=settings.offline), report)
    if settings.revision is not None:
        raise TargetError(
            f"a revision ({settings.revision}) belongs to hf:owner/name, not to {settings.source!r}"
        )
    if settings.source == "embedded":
        return Found(EMBEDDED)
    folder = Path(settings.source).expanduser()
    if not folder.is_dir():
        raise TargetError(
            f"{settings.source!r} is not a folder here; write embedded, a folder, or hf:owner/name"
        )
    return Found(folder)


def parse_hub_source(source: str, revision: str | None = None) -> HubModel:
    """Return what ``hf:owner/name@revision`` names.

    Args:
        source: The text that a person wrote.
        revision: A revision given beside it.

    Raises:
        TargetError: The text is not of that form, or names another revision than ``revision``.

    Example:
        >>> parse_hub_source("hf:owner/name@v1.0")
        HubModel(name='owner/name', revision='v1.0')
    """
    match = _HUB.fullmatch(source)
    if match is None:
        raise TargetError(
            f"{source!r} does not name a model on the Hub; write hf:owner/name or hf:owner/name@v1"
        )
    inside = match["revision"]
    if revision and inside and revision != inside:
        raise TargetError(f"{source!r} says revision {inside}, and {revision} was asked for beside it")
    return HubModel(match["name"], revision or inside)
