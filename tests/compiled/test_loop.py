"""Loops are compiled once, kept, loaded without a compiler, and called with what is given."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from daskreg.compiled import Loop, code, kept
from daskreg.compiled.code import ArrayKind, MachineCode, kind_of
from daskreg.compiled.loops import compiler

A = np.arange(12.0).reshape(3, 4)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Keep what is compiled in a folder of its own; names of loops that are compiled."""
    monkeypatch.setenv("DASKREG_CACHE_DIR", str(tmp_path))
    names = []
    machine_code = compiler.machine_code

    def counted(module, name, kinds):
        names.append(name)
        return machine_code(module, name, kinds)

    monkeypatch.setattr(compiler, "machine_code", counted)
    return names


def entries_before(loop, indices, indptr, place):
    before = np.full(len(indptr), -1)
    assert loop(indices, indptr, place, before) is None
    return before.tolist()


GIVEN = np.array([0, 2, 1, 2]), np.array([0, 2, 2, 4]), np.array([-1, 0, 1], dtype=np.int32)


def test_a_loop_is_compiled_once_and_loaded_by_others(here):
    for _ in range(2):
        assert entries_before(Loop("gathering", "entries_before"), *GIVEN) == [0, 1, 1, 3]
    assert here == ["entries_before"]


def test_arguments_of_another_kind_are_compiled_on_their_own(here):
    loop = Loop("gathering", "entries_before")
    entries_before(loop, *GIVEN)
    entries_before(loop, GIVEN[0].astype(np.int32), *GIVEN[1:])
    assert len(here) == 2
    # Whoever owns an array, and whether it may be written, makes no difference.
    for part in GIVEN:
        part.flags.writeable = False
    assert entries_before(loop, *(part[:] for part in GIVEN)) == [0, 1, 1, 3]
    assert len(here) == 2


def test_arrays_of_every_layout_are_read_where_they_are(here):
    rng = np.random.default_rng(0)
    whole = rng.standard_normal((40, 12))
    copies = whole.copy(), np.asfortranarray(whole), np.repeat(whole, 2, axis=1)[:, ::2]
    unaligned = np.zeros(whole.nbytes + 1, np.uint8)[1:].view(np.float64).reshape(whole.shape)
    unaligned[:] = whole
    loop, found = Loop("moments", "add_moments"), []
    for X in (*copies, copies[0][::-1][::-1], unaligned):
        first, squares, cross = np.zeros(12), np.zeros(12), np.zeros((1, 12))
        ones = np.ones(40)
        given = X, None, np.zeros(12), ones, ones[None], first, squares, cross
        assert loop(*given, None, None, None, None, 7, 1 << 40) == 7
        np.testing.assert_allclose(first, whole.sum(axis=0))
        np.testing.assert_allclose(squares, (whole**2).sum(axis=0))
        found.append(first)
    assert len(here) == 4


def test_numbers_and_truths_come_back(here):
    zeros, one = np.zeros((1, 1)), np.ones((1, 1))
    data = one, one, zeros[:, :0], zeros[:0], one, zeros, zeros[0, :0], zeros.copy(), zeros
    sweep = Loop("kronecker", "sweep")
    active = np.ones((1, 1), dtype=bool)
    assert sweep(*data, one, zeros, active, False, 1e-3, True) is True
    assert not active.any()
    active[:] = True
    assert sweep(*data, -one, zeros, active, np.bool_(False), np.float64(1e-3), True) is False
    assert active.all()


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"no json", "half", "other"])
def test_a_damaged_file_is_made_anew(here, tmp_path, damage):
    entries_before(Loop("gathering", "entries_before"), *GIVEN)
    (file,) = (tmp_path / "daskreg").iterdir()
    whole = file.read_bytes()
    at = len(whole) - 100
    damaged = {"half": whole[:at], "other": whole[:at] + b"x" + whole[at + 1 :]}
    file.write_bytes(damaged.get(damage, damage))
    assert entries_before(Loop("gathering", "entries_before"), *GIVEN) == [0, 1, 1, 3]
    assert len(here) == 2
    assert file.read_bytes() == whole


def test_code_of_other_sources_versions_or_processors_is_not_taken(here, monkeypatch):
    def compiled():
        entries_before(Loop("gathering", "entries_before"), *GIVEN)
        return len(here)

    assert compiled() == 1
    monkeypatch.setattr(kept, "_versions", lambda: ("other",))
    assert compiled() == 2
    monkeypatch.setattr(kept, "processor", lambda: ("generic", ""))
    assert compiled() == 3
    assert compiled() == 3


def test_without_a_folder_to_keep_code_in_there_is_one_warning(here, tmp_path, monkeypatch):
    (tmp_path / "daskreg").write_text("a file where the folder would be")
    monkeypatch.setattr(kept, "_warned", False)
    with pytest.warns(RuntimeWarning, match="DASKREG_CACHE_DIR .* warm-up") as told:
        found = [entries_before(Loop("gathering", "entries_before"), *GIVEN) for _ in range(2)]
    assert found == [[0, 1, 1, 3]] * 2
    assert len(told) == 1
    assert str(tmp_path) in str(told[0].message)
    assert len(here) == 2
    assert kept.folder() is None


def test_the_cache_of_the_user_is_taken_where_the_package_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.delenv("DASKREG_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kept, "_LOOPS", tmp_path / "package")
    (tmp_path / "package").mkdir()
    assert kept.folder() == tmp_path / "package" / "__pycache__"
    (tmp_path / "package" / "__pycache__").rmdir()
    (tmp_path / "package" / "__pycache__").write_text("")
    assert kept.folder() == tmp_path / "daskreg"


def test_without_a_home_the_package_is_left(tmp_path, monkeypatch):
    monkeypatch.delenv("DASKREG_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(kept, "_LOOPS", tmp_path)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert kept.folder() == tmp_path / "__pycache__"


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    """A disk that is full while it is written leaves nothing behind."""
    monkeypatch.setenv("DASKREG_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kept, "_warned", True)

    def full(self, whole):
        with self.open("wb") as file:
            file.write(whole[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    kept.write("name", (), MachineCode("f", "none", b"code", 0, (), ()))
    assert not list((tmp_path / "daskreg").iterdir())


def test_on_a_system_that_is_not_known_the_compiler_loads_it(here, monkeypatch):
    monkeypatch.setattr(compiler, "known_system", lambda: False)
    for _ in range(2):
        assert entries_before(Loop("gathering", "entries_before"), *GIVEN) == [0, 1, 1, 3]
    assert here == ["entries_before"]


def test_object_files_of_a_new_kind_are_loaded_by_the_compiler(here, monkeypatch):
    def unknown(*given, **settings):
        raise NotImplementedError

    monkeypatch.setattr(compiler, "linked", unknown)
    assert entries_before(Loop("gathering", "entries_before"), *GIVEN) == [0, 1, 1, 3]


@pytest.mark.parametrize("name", ["_known_arrays", "_address"])
def test_where_no_code_can_run_there_is_an_error_that_says_why(here, name, monkeypatch):
    def refused(*given):
        raise LookupError("no code may be loaded here: Permission denied")

    monkeypatch.setattr(code, name, refused)
    with pytest.raises(RuntimeError, match=r"gathering\.entries_before .*: Permission denied"):
        entries_before(Loop("gathering", "entries_before"), *GIVEN)


def test_threads_that_call_a_loop_at_once_compile_it_once(here):
    loop, found = Loop("gathering", "entries_before"), []
    threads = [
        threading.Thread(target=lambda: found.append(entries_before(loop, *GIVEN)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[0, 1, 1, 3]] * 4
    assert here == ["entries_before"]


def test_what_is_kept_is_loaded_and_what_is_not_is_not_compiled(here, monkeypatch):
    given = *GIVEN, np.full(len(GIVEN[1]), -1)
    asked, read = [], kept.read
    monkeypatch.setattr(kept, "read", lambda *whose: asked.append(1) or read(*whose))
    first, second = (Loop("gathering", "entries_before") for _ in range(2))
    assert not first.is_kept(*given)
    assert not first.is_kept(*given)
    assert len(asked) == 1
    assert not here
    first(*given)
    assert first.is_kept(*given)
    assert second.is_kept(*given)
    assert len(asked) == 3  # the call of the first, and what the second was asked
    assert entries_before(second, *GIVEN) == [0, 1, 1, 3]
    assert len(asked) == 3
    assert here == ["entries_before"]


def test_what_may_not_be_loaded_is_not_taken_for_kept(here, monkeypatch):
    given = *GIVEN, np.full(len(GIVEN[1]), -1)
    Loop("gathering", "entries_before")(*given)

    def refused(*_):
        raise LookupError("no code may be loaded here")

    monkeypatch.setattr("daskreg.compiled.loop.loaded", refused)
    loop = Loop("gathering", "entries_before")
    assert not loop.is_kept(*given)
    assert not loop.is_kept(*given)
    with pytest.raises(RuntimeError, match="no code may be loaded"):
        loop(*given)


def test_numbers_that_processors_do_not_know_are_refused(here):
    indices, indptr, place = GIVEN
    with pytest.raises(TypeError, match=r"expected numbers .* got >i8"):
        entries_before(Loop("gathering", "entries_before"), indices.astype(">i8"), indptr, place)


def test_kinds_are_what_machine_code_depends_on():
    assert kind_of(A) == kind_of(A[:2]) == ArrayKind("<f8", 2, "C", True)
    assert kind_of(A.T).layout == "F"
    assert kind_of(A[:, ::2]).layout == "A"
    assert kind_of(A.astype(">f8")) != kind_of(A)
    assert [kind_of(one) for one in (None, True, 3, 3.0)] == ["none", "bool", "int", "float"]
    with pytest.raises(TypeError, match="for machine code, got 'text'"):
        kind_of("text")
