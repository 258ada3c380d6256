"""What the readme shows runs as it is written."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_code_of_the_readme_runs():
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S).group(1)
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert list(names["money"].cells["name"]) == ["effect", "money", "base", "percent"]
    assert names["table"]["band"].eq("uniform").any()


def test_every_make_target_the_readmes_name_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md"):
        named = set(re.findall(r"\bmake ([a-z-]+)\b(?! it)", (ROOT / name).read_text(encoding="utf-8")))
        assert named & targets and named - targets <= {"and", "lint types"}, named - targets


def test_both_readmes_link_to_each_other():
    assert "README.zh-CN.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "README.md" in (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
