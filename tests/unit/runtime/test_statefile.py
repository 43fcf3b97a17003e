"""The file that keeps what a worker must not forget."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskq.errors import ImproperlyConfigured
from taskq.ports import Revocation
from taskq.runtime.statefile import Kept, StateFile

revocations = st.builds(
    Revocation,
    until_s=st.floats(0, 4e9),
    task_id=st.text(max_size=40),
    headers=st.dictionaries(st.text(max_size=5), st.lists(st.text(max_size=5)), max_size=2),
)


@given(st.lists(revocations, max_size=5), st.integers(0, 2**63))
def test_what_was_saved_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, revoked: list[Revocation], clock: int
) -> None:
    file = StateFile(str(tmp_path_factory.mktemp("state") / "worker.state"))

    file.save(Kept(tuple(revoked), clock))

    assert file.load() == Kept(tuple(revoked), clock)


def test_a_file_that_is_not_there_yet_keeps_nothing(tmp_path: Path) -> None:
    assert StateFile(str(tmp_path / "none")).load() == Kept()


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = StateFile(str(tmp_path / "worker.state"))

    file.save(Kept())

    assert file.path.stat().st_mode & 0o777 == 0o600


def test_a_pickle_in_its_place_is_refused_and_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "worker.state"
    loaded = tmp_path / "loaded"
    path.write_bytes(pickle.dumps(_Bomb(loaded)))

    with pytest.raises(ImproperlyConfigured, match="no state file"):
        StateFile(str(path)).load()

    assert not loaded.exists()


class _Bomb:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (os.mkdir, (str(self._path),))


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"version": 1, "clock": 0, "revoked": []}')
    (tmp_path / "worker.state").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ImproperlyConfigured, match="--statedb"):
        StateFile(str(tmp_path / "worker.state")).load()


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"no plain file|directory"):
        StateFile(str(tmp_path)).load()


def test_a_state_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "worker.state").write_text('{"version": 2}')

    with pytest.raises(ImproperlyConfigured, match="version 2"):
        StateFile(str(tmp_path / "worker.state")).load()


def test_a_folder_that_is_not_there_is_said_by_its_name(tmp_path: Path) -> None:
    file = StateFile(str(tmp_path / "missing" / "worker.state"))

    with pytest.raises(ImproperlyConfigured, match="missing"):
        file.save(Kept())


def test_a_write_that_fails_leaves_the_old_state_and_no_rest(tmp_path: Path) -> None:
    file = StateFile(str(tmp_path / "worker.state"))
    file.save(Kept(clock=3))

    with pytest.raises(TypeError):
        file.save(Kept((Revocation(1.0, "x", {"key": object()}),), 4))

    assert file.load() == Kept(clock=3)
    assert [path.name for path in tmp_path.iterdir()] == ["worker.state"]
