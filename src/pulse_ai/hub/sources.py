"""Where a model comes from: the package, the Hub or a folder."""

__all__ = ("find_folder",)

from pathlib import Path

from pulse_ai.core import ProgressReport, TargetError
from pulse_ai.hub.settings import ClassificationSettings

EMBEDDED = Path(__file__).parent / "models" / "sentiment"
"""The sentiment model that ships in the package."""


def find_folder(settings: ClassificationSettings, report: ProgressReport) -> tuple[Path, str | None]:
    """Return the folder that holds the checkpoint, and the Hub commit that it is from.

    Raises:
        TargetError: Nothing is there.
        LoadFailed: It could not be fetched.
    """
    if settings.source == "embedded":
        return EMBEDDED, None
    folder = Path(settings.source).expanduser()
    if not folder.is_dir():
        raise TargetError(f"{settings.source!r} is not a folder, 'embedded' or 'hf:owner/name'")
    return folder, None
