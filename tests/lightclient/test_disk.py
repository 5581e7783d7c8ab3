"""The file operations on a real folder: nothing half written is ever seen under its name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lightclient.disk import LocalDisk, ReadOnlyDisk

DISK = LocalDisk()


def test_a_folder_is_made_once_and_lists_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert DISK.names(folder) == []
    DISK.make(folder)
    DISK.make(folder)
    DISK.write(folder / "x", b"1")
    DISK.write(folder / "x", b"2")
    assert DISK.names(folder) == ["x"]
    assert DISK.read(folder / "x") == b"2"
    DISK.remove(folder / "x")
    DISK.remove(folder / "x")
    assert DISK.names(folder) == []
    with pytest.raises(FileNotFoundError):
        DISK.read(folder / "x")


def test_the_content_is_durable_before_its_name_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(handle: int) -> None:
        steps.append("fsync")
        fsync(handle)

    def noted_replace(old: Path, new: Path) -> None:
        assert old.read_bytes() == b"new"
        steps.append("replace")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    DISK.write(tmp_path / "x", b"new")
    DISK.sync(tmp_path)
    assert steps == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    DISK.write(tmp_path / "x", b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        DISK.write(tmp_path / "x", b"new")
    assert DISK.names(tmp_path) == ["x"]
    assert DISK.read(tmp_path / "x") == b"old"


def test_what_is_set_aside_replaces_nothing(tmp_path: Path) -> None:
    names = []
    for content in (b"1", b"2", b"3"):
        DISK.write(tmp_path / "x.json", content)
        names.append(DISK.set_aside(tmp_path / "x.json"))
    assert names == ["x.json.damaged", "x.json.2.damaged", "x.json.3.damaged"]
    assert [DISK.read(tmp_path / name) for name in names] == [b"1", b"2", b"3"]
    assert sorted(DISK.names(tmp_path)) == sorted(names)


def test_reading_only(tmp_path: Path) -> None:
    DISK.write(tmp_path / "x", b"1")
    disk = ReadOnlyDisk()
    assert disk.read(tmp_path / "x") == b"1"
    assert disk.set_aside(tmp_path / "x") == "x"
    for change in (disk.make, disk.remove, lambda path: disk.write(path, b"2")):
        with pytest.raises(PermissionError):
            change(tmp_path / "x")
    assert disk.names(tmp_path) == ["x"]
