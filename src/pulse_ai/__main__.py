"""``python -m pulse_ai`` is ``pulse``."""

from pulse_ai.cli import main

if __name__ == "__main__":
    main()
