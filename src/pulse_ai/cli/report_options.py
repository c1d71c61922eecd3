"""Where a measurement is written: options that refuse a file before anything is measured, not after."""

__all__ = ("HtmlFile", "JsonFile", "MarkdownFile", "ReportHtml", "ReportJson", "require_writable")

import os
from pathlib import Path
from typing import Annotated, Any

from typer import CallbackParam, Option

from pulse_ai.cli.bench_errors import usage_errors


def require_writable(file: Path, *, option: str) -> None:
    """Refuse a file that could not be written; nothing is written or made.

    Args:
        file: Need not be there; its folder must.
        option: What the person set, such as ``--json``.

    Raises:
        OSError: It is a folder, there is no folder for it, or this user may not write there.

    Example:
        >>> require_writable(Path("/nowhere/report.json"), option="--json")
        Traceback (most recent call last):
        OSError: --json: there is no folder '/nowhere' to write '/nowhere/report.json' in
    """
    if file.is_dir():
        raise OSError(f"{option}: {str(file)!r} is a folder; name a file")
    if not file.parent.is_dir():
        raise OSError(f"{option}: there is no folder {str(file.parent)!r} to write {str(file)!r} in")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise OSError(f"{option}: {str(file)!r} must not be written by this user")


def _checked(param: CallbackParam, value: Any) -> Any:
    if value is not None:
        with usage_errors():
            require_writable(Path(value), option=param.opts[0])
    return value


_JSON = Option("--json", callback=_checked, help="Write the report here as JSON.")
_HTML = Option("--html", callback=_checked, help="Write the report here as a page with charts.")
_MARKDOWN = Option("--markdown", callback=_checked, help="Write the report here as Markdown.")

JsonFile = Annotated[Path | None, _JSON]
HtmlFile = Annotated[Path | None, _HTML]
MarkdownFile = Annotated[Path | None, _MARKDOWN]
ReportJson = Annotated[Path, _JSON]
ReportHtml = Annotated[Path, _HTML]
