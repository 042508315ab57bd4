"""Every k-th state is kept, within its bound, and nothing that is written later changes it."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganns.coordinator.state_files import StateFiles
from ganns.store.kept_states import KeptStates, read_state, state_files, thinned
from ganns.training.state import Progress, TrainingState
from tests.support.fakes import tiny


def numbers(folder) -> list[int]:
    return [version for version, _ in state_files(folder).values()]


def saved(files: StateFiles, versions, seconds: float = 0.0) -> TrainingState:
    state = TrainingState(tiny())
    for version in versions:
        state.progress = Progress(version, seconds=seconds)
        files.save(state)
    return state


@given(st.integers(1, 50), st.integers(0, 40), st.integers(1, 200))
def test_what_stays_fits_and_is_a_multiple(every, most, last):
    stay = thinned({version: 10 for version in range(0, last, every)}, every, 10 * most)
    assert len(stay) <= most
    if stay - {0}:  # evenly spread over the whole run
        assert stay == set(range(0, last, min(stay - {0})))


def test_kept_states_are_whole_after_many_others_were_written(tmp_path):
    kept = KeptStates(tmp_path / "kept", 3, 10**9)
    files = StateFiles(tmp_path, kept)
    saved(files, range(11))
    assert numbers(tmp_path / "kept") == [0, 3, 6, 9]
    assert numbers(tmp_path) == [9, 10]
    assert all(read_state(path) for path in state_files(kept.folder))
    files.clear()
    assert numbers(tmp_path) == []
    assert numbers(kept.folder) == [0, 3, 6, 9]


def test_by_default_nothing_is_kept(tmp_path):
    config = tiny()
    saved(StateFiles(tmp_path, KeptStates(tmp_path / "kept", config.db.keep_state_every, 10**9)), range(4))
    assert not (tmp_path / "kept").exists()


def test_the_oldest_are_thinned_by_doubling(tmp_path):
    files = StateFiles(tmp_path)
    saved(files, [0])
    [path] = state_files(tmp_path)
    room = 4 * path.stat().st_size + 1000
    kept = KeptStates(tmp_path / "kept", 2, room)
    saved(StateFiles(tmp_path, kept), range(21))
    found = numbers(kept.folder)
    assert {0, 8, 16} <= set(found)
    assert sum(one.stat().st_size for one in state_files(kept.folder)) <= room
    KeptStates(tmp_path / "none", 2, 10).keep(next(iter(state_files(tmp_path))), 20)  # larger than all the room
    assert not (tmp_path / "none").exists()


def test_an_undone_history_goes(tmp_path):
    kept = KeptStates(tmp_path / "kept", 2, 10**9)
    saved(StateFiles(tmp_path, kept), range(7))
    saved(StateFiles(tmp_path, kept), [4], seconds=1.0)  # the run went on elsewhere from version 3
    files = state_files(kept.folder)
    assert [version for version, _ in files.values()] == [0, 2, 4]
    data = read_state(list(files)[-1])
    assert data is not None
    assert TrainingState.from_bytes(tiny(), data).progress.seconds == 1.0


@pytest.mark.parametrize("fails", [True, False], ids=["a copy", "a link"])
def test_without_hard_links_it_is_a_copy(tmp_path, monkeypatch, fails):
    refused = []

    def link(*paths):
        refused.append(paths)
        raise OSError("no links here")

    if fails:
        monkeypatch.setattr(os, "link", link)
    kept = KeptStates(tmp_path / "kept", 2, 10**9)
    saved(StateFiles(tmp_path, kept), range(5))
    assert bool(refused) is fails
    assert numbers(kept.folder) == [0, 2, 4]
    assert all(read_state(path) for path in state_files(kept.folder))
