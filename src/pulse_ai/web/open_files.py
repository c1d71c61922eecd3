"""How many files, and so connections, the service may have open: as many as it is allowed, up to a bound."""

__all__ = ("files_allowed", "raise_file_limit")

import resource

_ENOUGH_FILES = 65_536  # some programs walk through all numbers up to the limit, and workers inherit it


def files_allowed() -> int:
    """Return how many files ``pulse serve`` may have open in this session.

    Example:
        >>> 0 < files_allowed() <= 65_536 or files_allowed() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        True
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH_FILES)
    return soft if soft == resource.RLIM_INFINITY else max(soft, most)


def raise_file_limit() -> None:
    """Raise the soft limit of open files, which is often 1,024, to what is allowed without asking anyone."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_allowed(), hard))
