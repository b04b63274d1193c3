"""Checkpoints: alternation, damage, kill at every step of a save."""

import json

import numpy as np
import pytest

from ngcfem.results import atomic, checkpoint
from ngcfem.results.checkpoint import CheckpointStore


def arrays(number):
    generator = np.random.default_rng(number)
    return {"displacement": generator.standard_normal((50, 3)), "tags": np.arange(number + 1)}


def assert_holds(store, number):
    found = store.load_newest()
    assert found is not None
    assert found.metadata["number"] == number
    for name, array in arrays(number).items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype


def test_newest_comes_back_from_alternating_slots(tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints")
    assert store.load_newest() is None
    for number in range(1, 6):
        assert store.save(arrays(number), {"number": number, "time_s": 0.1}) == number
        assert_holds(store, number)
        assert_holds(CheckpointStore(tmp_path / "checkpoints"), number)
    assert sorted(entry.name for entry in (tmp_path / "checkpoints").iterdir()) == ["a", "b"]


def test_new_store_goes_on_in_the_other_slot(tmp_path):
    CheckpointStore(tmp_path).save(arrays(1), {"number": 1})
    assert CheckpointStore(tmp_path).save(arrays(2), {"number": 2}) == 2
    assert (tmp_path / "a" / "state.npz").exists()
    assert (tmp_path / "b" / "state.npz").exists()


@pytest.mark.parametrize(
    "damage", ["flip", "truncate", "delete", "manifest", "empty manifest", "swapped hash"]
)
def test_damaged_newest_falls_back(tmp_path, damage):
    store = CheckpointStore(tmp_path)
    for number in (1, 2, 3):
        store.save(arrays(number), {"number": number})
    state, manifest = tmp_path / "a" / "state.npz", tmp_path / "a" / "manifest.json"
    content = bytearray(state.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        state.write_bytes(content)
    elif damage == "truncate":
        state.write_bytes(content[:-1])
    elif damage == "delete":
        state.unlink()
    elif damage == "manifest":
        manifest.write_text(manifest.read_text()[:-30])
    elif damage == "empty manifest":
        manifest.write_text("{}")
    else:
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "sha256": "0" * 64}))
    again = CheckpointStore(tmp_path)
    assert_holds(again, 2)
    assert again.damaged_slots() == (() if damage == "delete" else ("a",))
    # The next one replaces the damaged slot and leaves the good one alone.
    assert again.save(arrays(4), {"number": 4}) == 3
    assert again.damaged_slots() == ()
    (tmp_path / "a" / "state.npz").unlink()
    assert_holds(CheckpointStore(tmp_path), 2)


def test_kill_at_any_step_of_a_save_leaves_the_one_before(tmp_path, monkeypatch):
    class KilledError(BaseException):
        pass

    store = CheckpointStore(tmp_path)
    store.save(arrays(1), {"number": 1})
    store.save(arrays(2), {"number": 2})
    steps = [
        (checkpoint, "synchronize_directory"),
        (checkpoint, "_save"),
        (atomic.os, "fsync"),
        (atomic.os, "replace"),
        (checkpoint, "_sha256"),
        (checkpoint, "write_json_atomically"),
    ]

    def kill(*arguments):
        raise KilledError

    for owner, name in steps:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, kill)
            with pytest.raises(KilledError):
                store.save(arrays(3), {"number": 3})
        assert_holds(CheckpointStore(tmp_path), 2)
    store.save(arrays(3), {"number": 3})
    assert_holds(CheckpointStore(tmp_path), 3)


def test_objects_are_refused_before_anything_is_lost(tmp_path):
    store = CheckpointStore(tmp_path)
    store.save(arrays(1), {"number": 1})
    store.save(arrays(2), {"number": 2})
    with pytest.raises(TypeError, match="holds objects"):
        store.save({"bad": np.array([object()])}, {})
    assert_holds(store, 2)
    (tmp_path / "b" / "state.npz").unlink()
    assert_holds(CheckpointStore(tmp_path), 1)
