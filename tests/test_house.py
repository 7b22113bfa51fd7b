"""The house rules that a machine can check: who imports whom, what the core keeps out, what the wheel holds."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sipstack"

# Each room and the rooms it may import from, beside itself. Rooms on one floor do not see each other.
MAY_IMPORT: dict[str, set[str]] = {}
FLOORS: list[set[str]] = [
    {"message"},
    {"sdp", "timers"},
    {"transactions"},
    {"dialogs"},
    {"auth", "resolver", "outbound"},
    {"transport"},
    {"endpoint"},
    {"server", "conformance", "capi", "freeswitch", "testing"},
    {"cli"},
]
_below: set[str] = set()
for _floor in FLOORS:
    for _room in _floor:
        MAY_IMPORT[_room] = _below.copy()
    _below |= _floor
# Records stand beside message; those who write records out may read what is below the endpoint.
MAY_IMPORT["trace"] = MAY_IMPORT["endpoint"].copy()
for _room in ("transport", "endpoint", "server", "conformance", "capi", "freeswitch", "testing", "cli"):
    MAY_IMPORT[_room].add("trace")

CORE = {"message", "sdp", "timers", "transactions", "dialogs", "auth", "resolver", "outbound"}
OUT_OF_CORE = {"trio", "socket", "time", "random", "threading", "asyncio", "logging", "select", "secrets"}


def rooms() -> list[str]:
    return sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists())


def imports(path: Path) -> list[tuple[str, int]]:
    """Return the absolute names that a module imports, with their lines."""
    package = ("sipstack", *path.relative_to(PACKAGE).parts[:-1])
    found: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join(base + ([node.module] if node.module else []))
            found += [(f"{module}.{alias.name}", node.lineno) for alias in node.names]
    return found


@pytest.mark.parametrize("room", rooms())
def test_room_imports_only_from_below(room: str) -> None:
    assert room in MAY_IMPORT, f"sipstack/{room} has no floor: give it one here and in the docs"
    wrong = []
    for path in sorted((PACKAGE / room).rglob("*.py")):
        for name, line in imports(path):
            parts = name.split(".")
            if parts[0] != "sipstack" or len(parts) < 2:
                continue
            if parts[1] != room and parts[1] in MAY_IMPORT and parts[1] not in MAY_IMPORT[room]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
            if parts[1] != room and len(parts) > 2 and parts[2].startswith("_") and parts[2] != "__init__":
                wrong.append(f"{path.relative_to(ROOT)}:{line} reaches into {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", sorted(CORE & set(rooms())))
def test_core_has_no_io_clock_or_chance(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for name, line in imports(path)
        if name.split(".")[0] in OUT_OF_CORE
    ]
    assert not wrong, "\n".join(wrong)


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in sorted(PACKAGE.rglob("*.py"))
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent


def test_top_level_links_lead_to_the_three_layers() -> None:
    for name in ("timers", "transactions", "dialogs"):
        link = ROOT / name
        assert link.is_symlink()
        assert link.resolve() == (PACKAGE / name).resolve()


def test_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"sipstack"}
    assert "sipstack/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    modules = {str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*.py")}
    assert modules == {name for name in names if name.endswith(".py")}
