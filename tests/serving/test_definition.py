"""What ``Serving`` is made from, and what it refuses to be made from."""

from pathlib import Path
from typing import Any

import pytest

from pulse_ai import Serving, Task
from pulse_ai.core import LoadFailed, TargetError, TaskSpec


class Shout(Task):
    """Upper case."""

    def predict(self, items: list[str]) -> list[str]:
        return [item.upper() for item in items]


@pytest.mark.parametrize(
    ("name", "hint"), [("batch_sise", "did you mean 'batch_size'"), ("colour", "docs/serving.md")]
)
def test_a_setting_that_there_is_not_is_refused_when_it_is_made(name: str, hint: str) -> None:
    settings: Any = {name: 3}
    with pytest.raises(TypeError, match=f"no setting {name!r}; {hint}"):
        Serving(Shout, **settings)


@pytest.mark.parametrize("given", [5, int, "shop:Prices"])
def test_what_is_no_task_is_refused_when_it_is_made(given: Any) -> None:
    with pytest.raises(TargetError, match="is not a Task: derive it from"):
        Serving(given)


@pytest.mark.process
async def test_a_module_that_starts_workers_as_it_is_imported_does_not_start_them_without_end(
    tmp_path: Path,
) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import asyncio\n"
        "from pulse_ai import Serving, Task\n"
        "class Same(Task):\n"
        "    def predict(self, items: list[str]) -> list[str]: return items\n"
        "async def main():\n"
        "    async with Serving(Same).open() as same: print(await same.infer('a'))\n"
        "asyncio.run(main())\n"
    )
    said = (
        r'unguarded.py starts workers while a worker imports it; .* if __name__ == "__main__": \(.*, line 6\)'
    )
    with pytest.raises(LoadFailed, match=said):
        async with Serving(TaskSpec(f"{script}:Same")).open():
            pytest.fail("it opened")
