"""What ``pulse bench matmul`` measured, as a value."""

__all__ = ("Figure", "MatmulReport", "Peak")

from statistics import median

import msgspec

from pulse_ai.bench.machine import Machine


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work on one backend.

    Attributes:
        work: ``matmul``, or ``chain`` (normalise, softmax, gelu over each row).
        backend: What ran it.
        size: The square matrix's size.
        flop: Floating-point operations of one run; 0 for the chain, where they are not what counts.
        samples_s: The time of each run, in seconds.

    Example:
        >>> figure = Figure(work="matmul", backend="NumPy", size=100, flop=2_000_000, samples_s=(0.001, 0.002))
        >>> figure.best_gflops
        2.0
    """

    work: str
    backend: str
    size: int
    flop: int
    samples_s: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """The median time of one run, in seconds."""
        return median(self.samples_s)

    @property
    def gflops(self) -> float:
        """Thousand million operations a second, by the median; 0 for the chain."""
        return self.flop / self.median_s / 1e9

    @property
    def best_gflops(self) -> float:
        """Thousand million operations a second, by the fastest run."""
        return self.flop / min(self.samples_s) / 1e9


class Peak(msgspec.Struct, frozen=True, kw_only=True):
    """The fastest matrix product seen on one kind of device.

    Attributes:
        gflops: Its speed, in thousand million operations a second.
        backend: What ran it.
        size: The matrices' size.
    """

    gflops: float
    backend: str
    size: int


class MatmulReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was measured, and on what.

    Attributes:
        machine: The machine.
        versions: Versions of NumPy, JAX and its compiler.
        gpu: Whether there was a GPU, in words.
        peaks: The fastest product by device, ``cpu`` and ``gpu``; a share of the peak is of these.
        figures: The measurements.
    """

    machine: Machine
    versions: dict[str, str]
    gpu: str
    peaks: dict[str, Peak]
    figures: tuple[Figure, ...]

    def find(self, work: str, backend: str, size: int) -> Figure | None:
        """Return one figure, or None where it was not measured."""
        wanted = (work, backend, size)
        return next((f for f in self.figures if (f.work, f.backend, f.size) == wanted), None)

    def share(self, figure: Figure) -> float:
        """Return a product's median speed as a share of the device's peak, from 0 to 1; 0 without a peak."""
        peak = self.peaks.get("gpu" if figure.backend.endswith("GPU") else "cpu")
        return 0.0 if peak is None else figure.gflops / peak.gflops

    def require_taken_on(self, machine: Machine, versions: dict[str, str]) -> None:
        """Refuse to compare figures that were taken under other conditions.

        Raises:
            ValueError: The report is of another machine or other versions.
        """
        if (self.machine, self.versions) != (machine, versions):
            raise ValueError("the earlier report is of another machine or other versions; measure again")

    def with_figures_of(self, earlier: "MatmulReport") -> "MatmulReport":
        """Return the report with those figures of an earlier one that were not measured in this one.

        A peak is the faster of the two, so that no figure is above it.

        Raises:
            ValueError: The earlier one is of another machine or other versions.
        """
        earlier.require_taken_on(self.machine, self.versions)
        mine = {(figure.work, figure.backend, figure.size) for figure in self.figures}
        added = [f for f in earlier.figures if (f.work, f.backend, f.size) not in mine]
        figures = sorted([*self.figures, *added], key=lambda f: (f.work != "matmul", f.size, f.gflops))
        devices = {**earlier.peaks, **self.peaks}
        peaks = {
            device: max(
                (found.peaks.get(device, peak) for found in (earlier, self)), key=lambda one: one.gflops
            )
            for device, peak in devices.items()
        }
        return msgspec.structs.replace(self, figures=tuple(figures), peaks=peaks)

    def times_faster(self, work: str, fast: str, slow: str, size: int) -> float | None:
        """Return how many times one backend is as fast as another, by medians; None where not measured."""
        one, other = self.find(work, fast, size), self.find(work, slow, size)
        return None if one is None or other is None else other.median_s / one.median_s
