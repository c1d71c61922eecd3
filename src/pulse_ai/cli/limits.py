"""Upper bounds of options: far above what anybody needs, and low enough that no sum of them overflows."""

__all__ = (
    "DAY_S",
    "MOST_BATCH",
    "MOST_CANDIDATES",
    "MOST_COUNT",
    "MOST_ITEMS",
    "MOST_MS",
    "MOST_PROCESSES",
    "MOST_RATE",
    "MOST_SEED",
)

DAY_S = 86_400
MOST_MS = 3_600_000.0
MOST_ITEMS = 1_000_000
MOST_BATCH = 65_536
MOST_PROCESSES = 1024
MOST_CANDIDATES = 100_000
MOST_COUNT = 1_000_000_000
MOST_RATE = 1_000_000.0
MOST_SEED = 2**63 - 1
