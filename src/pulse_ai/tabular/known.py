"""What a search has found out about candidates, kept in a file so that it can be taken up again."""

__all__ = ("KnownCandidates",)

from collections.abc import Iterable
from pathlib import Path

import msgspec

from pulse_ai.tabular.errors import TableError
from pulse_ai.tabular.genes import Evaluated, Genes
from pulse_ai.train import write_atomically


class _Log(msgspec.Struct):
    """What the file holds: what the search is of, and what it found out."""

    digest: str
    evaluated: list[Evaluated]


class KnownCandidates:
    """Candidates by their genes.

    Args:
        log: The file that they are kept in; None keeps them in memory.
        digest: What the search is of.
        evaluated: What is known already.

    Example:
        >>> known = KnownCandidates(None, "", [])
        >>> genes = Genes("16", 0.0, 0.01)
        >>> known.add([Evaluated(genes, 0.9, 100)])
        >>> genes in known, known[genes].figure
        (True, 0.9)
    """

    def __init__(self, log: Path | None, digest: str, evaluated: Iterable[Evaluated]) -> None:
        self._log, self._digest = log, digest
        self._by_genes = {one.genes: one for one in evaluated}

    @classmethod
    def open(cls, log: Path | None, digest: str) -> "KnownCandidates":
        """Read a file, if it is there.

        Raises:
            TableError: It is of another search, or cannot be read.
        """
        if log is None or not log.exists():
            return cls(log, digest, [])
        try:
            found = msgspec.json.decode(log.read_bytes(), type=_Log)
        except (OSError, msgspec.MsgspecError) as error:
            raise TableError(f"{log} is no search that can be taken up: {error}; remove it") from error
        if found.digest != digest:
            raise TableError(f"{log} is of another table or other settings; remove it to search anew")
        return cls(log, digest, found.evaluated)

    def __contains__(self, genes: object) -> bool:
        return genes in self._by_genes

    def __getitem__(self, genes: Genes) -> Evaluated:
        return self._by_genes[genes]

    def add(self, evaluated: Iterable[Evaluated]) -> None:
        """Remember candidates; the file has them when this returns.

        Raises:
            TableError: The file cannot be written.
        """
        self._by_genes.update((one.genes, one) for one in evaluated)
        if self._log is not None:
            log = _Log(self._digest, list(self._by_genes.values()))
            try:
                write_atomically(self._log, msgspec.json.format(msgspec.json.encode(log)))
            except OSError as error:
                raise TableError(f"{self._log} cannot be written: {error.strerror or error}") from error
