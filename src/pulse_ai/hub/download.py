"""From the Hugging Face Hub to this machine: only the files needed, checked, with errors that say what to do.

The Hub's own library does the transfer and keeps its own cache, shared with every other program that uses it.
The cache names each file by its checksum (SHA-256 for large files, Git's for small ones), so a file can be
checked against its name at any time, without the network.
"""

__all__ = ("HubAccess", "HubFile", "fetch_model", "files_to_fetch", "is_intact")

import contextlib
import hashlib
import re
import uuid
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pulse_ai.core import LoadFailed, ProgressReport, TargetError
from pulse_ai.hub.settings import Precision
from pulse_ai.hub.sources import Found, HubModel
from pulse_ai.hub.tokenizer_files import TOKENIZER_FILES
from pulse_ai.hub.weight_files import choose_weights

_SMALL_FILES = ("config.json", "tokenizer_config.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_SHA1 = re.compile(r"[0-9a-f]{40}")
_SHARE_OF_LOADING = 0.5  # fetching is reported as the first half of loading


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAccess:
    """How the Hub is reached.

    Attributes:
        offline: Whether to use only what its cache holds.
        endpoint: Address of the Hub; None takes ``HF_ENDPOINT``, or the public one.
        cache_folder: Where files are kept; None takes the Hub library's own cache.
        most_bytes: Most bytes to fetch for one model.
    """

    offline: bool = False
    endpoint: str | None = None
    cache_folder: Path | None = None
    most_bytes: int = 8 * 1024**3


class HubFile(NamedTuple):
    """One file of a model on the Hub.

    Attributes:
        name: Its path in the repository.
        size_bytes: Its size; 0 where the Hub does not say.
    """

    name: str
    size_bytes: int


class _Listing(NamedTuple):
    commit: str
    sizes: Mapping[str, int]


def fetch_model(model: HubModel, precision: Precision, access: HubAccess, report: ProgressReport) -> Found:
    """Return the model's folder in the Hub's cache, after fetching and checking what it lacks.

    Where the Hub cannot be reached, a copy in the cache is used if there is one.

    Raises:
        TargetError: The model or its revision does not exist, may not be read, or has no usable weights.
        LoadFailed: The transfer failed, a file is damaged, or it is not in the cache and the Hub is away.
    """
    report(0.0, f"looking for {model.name}")
    if access.offline or _library().is_offline_mode():
        return _checked(_from_cache(model, access, "offline, and"), report)
    try:
        listing = _list_files(model, access)
    except _Unreachable as error:
        return _checked(_from_cache(model, access, f"the Hub cannot be reached ({error}), and"), report)
    files = files_to_fetch(listing.sizes, precision)
    _refuse_oversize(model, files, access.most_bytes)
    return _checked(_fetch(model, listing.commit, files, access, report), report)


def files_to_fetch(sizes: Mapping[str, int], precision: Precision) -> list[HubFile]:
    """Return the files that are needed, smallest kind first.

    Raises:
        TargetError: The repository has no weights that can be used.

    Example:
        >>> sizes = {"config.json": 1, "tokenizer.json": 2, "model.safetensors": 9, "pytorch_model.bin": 9}
        >>> [file.name for file in files_to_fetch(sizes, "int8")]
        ['config.json', 'tokenizer.json', 'model.safetensors']
    """
    weights = choose_weights(sizes, precision)
    tokenizer = TOKENIZER_FILES[:1] if TOKENIZER_FILES[0] in sizes else TOKENIZER_FILES[1:]
    names = (*_SMALL_FILES, *tokenizer, weights.main, *weights.others)
    return [HubFile(name, sizes[name]) for name in names if name in sizes]


def is_intact(path: Path) -> bool:
    """Return whether a file in the Hub's cache has the checksum that the Hub gave; true where it gave none.

    Example:
        >>> is_intact(Path(__file__))
        True
    """
    kept = path.resolve()
    if _SHA256.fullmatch(kept.name):
        with kept.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == kept.name
    if _GIT_SHA1.fullmatch(kept.name):
        content = kept.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == kept.name  # noqa: S324 - Git's
    return True


class _Unreachable(Exception):
    """The Hub did not answer; its cache may still have the model."""


def _library() -> Any:
    import huggingface_hub

    return huggingface_hub


def _errors() -> Any:
    from huggingface_hub import errors

    return errors


def _list_files(model: HubModel, access: HubAccess) -> _Listing:
    with _explained(model):
        found = (
            _library()
            .HfApi(endpoint=access.endpoint)
            .model_info(model.name, revision=model.revision, files_metadata=True)
        )
        return _Listing(str(found.sha), {str(file.rfilename): int(file.size or 0) for file in found.siblings})


def _refuse_oversize(model: HubModel, files: Sequence[HubFile], most_bytes: int) -> None:
    total = sum(file.size_bytes for file in files)
    if total > most_bytes:
        raise TargetError(
            f"{model.name} is {total:,} bytes, over the limit of {most_bytes:,}; fetch it by other means and "
            "serve the folder"
        )


def _fetch(
    model: HubModel, commit: str, files: Sequence[HubFile], access: HubAccess, report: ProgressReport
) -> Found:
    total, done = sum(file.size_bytes for file in files) or 1, 0
    folder = Path()
    for file in files:
        bar = _progress_bar(file, done, total, report)
        try:
            with _explained(model):
                path = _library().hf_hub_download(
                    model.name,
                    file.name,
                    revision=commit,  # by its name, a branch that moves meanwhile would mix two commits
                    endpoint=access.endpoint,
                    cache_dir=access.cache_folder,
                    tqdm_class=bar,
                )
        except _Unreachable as error:
            raise LoadFailed(f"fetching {file.name} of {model.name} broke off: {error}; try again") from error
        if file is files[-1]:
            folder = Path(path).parents[file.name.count("/")]
        done += file.size_bytes
    _remember(folder, model.revision or "main", commit)
    return Found(folder, commit)


def _remember(folder: Path, revision: str, commit: str) -> None:
    """Let the cache know which commit a name stands for, as the Hub's library does; it looks there offline.

    Only once all files are there: whoever looks before finds the commit that was whole.
    """
    if revision == commit:
        return
    named = folder.parents[1] / "refs" / revision
    beside = named.with_name(f"{named.name}.{uuid.uuid4().hex}.tmp")
    with contextlib.suppress(OSError):  # a cache that cannot be written has the files all the same
        named.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(commit)
        beside.replace(named)


def _progress_bar(file: HubFile, done: int, total: int, report: ProgressReport) -> type:
    """Return a class like ``tqdm`` that reports instead of drawing."""
    from tqdm.auto import tqdm

    base: Any = tqdm

    class Reporting(base):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})
            self._bytes = 0

        def update(self, n: float | None = 1) -> None:
            self._bytes += n or 0
            share = min(1.0, (done + self._bytes) / total)
            report(share * _SHARE_OF_LOADING, f"fetching {file.name} ({(done + self._bytes) / 1e6:.0f} MB)")

    return Reporting


def _from_cache(model: HubModel, access: HubAccess, why: str) -> Found:
    errors = _errors()
    try:
        folder = _library().snapshot_download(
            model.name, revision=model.revision, cache_dir=access.cache_folder, local_files_only=True
        )
    except (errors.LocalEntryNotFoundError, errors.HFValidationError, FileNotFoundError) as error:
        raise LoadFailed(
            f"{why} {model.name} at {model.revision or 'its default branch'} is not in the cache; fetch it "
            "once with the network on"
        ) from error
    return Found(Path(folder), Path(folder).name)


def _checked(found: Found, report: ProgressReport) -> Found:
    """Compare each file with its checksum; a damaged one is removed, so that the next try fetches it anew."""
    report(_SHARE_OF_LOADING, "checking the files")
    for path in sorted(found.folder.rglob("*")):
        if path.is_file() and not is_intact(path):
            path.resolve().unlink()
            raise LoadFailed(
                f"{path} did not have the checksum that the Hub gives and was removed; try again"
            )
    return found


@contextlib.contextmanager
def _explained(model: HubModel) -> Generator[None]:
    """Turn the Hub library's exceptions into ours, the narrower ones first."""
    errors = _errors()
    at = f" at revision {model.revision}" if model.revision else ""
    try:
        yield
    except errors.GatedRepoError as error:
        raise TargetError(
            f"{model.name} is gated: accept its terms on its page, then set HF_TOKEN to a token of "
            "that account"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise TargetError(
            f"{model.name} has no revision {model.revision}; see its branches and tags"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise TargetError(
            f"the Hub has no model {model.name}, or it is private; check the name, or set HF_TOKEN to a "
            "token that may read it"
        ) from error
    except errors.HFValidationError as error:
        raise TargetError(f"{model.name!r} is not a model's name on the Hub: {error}") from error
    except errors.EntryNotFoundError as error:
        raise LoadFailed(f"a file of {model.name}{at} is gone from the Hub: {error}; try again") from error
    except errors.HfHubHTTPError as error:
        raise _http_problem(model, error) from error
    except (OSError, errors.HTTPError, RuntimeError) as error:
        raise _Unreachable(f"{type(error).__name__}: {error}") from error


def _http_problem(model: HubModel, error: Any) -> Exception:
    status = getattr(error.response, "status_code", 0)
    if status in {401, 403}:
        return TargetError(
            f"the Hub refuses {model.name} (HTTP {status}); set HF_TOKEN to a token that may read it"
        )
    if status >= 500 or status == 429:
        return _Unreachable(f"HTTP {status}")
    return LoadFailed(f"the Hub answered HTTP {status} for {model.name}: {error}")
