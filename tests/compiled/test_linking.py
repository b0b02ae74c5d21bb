"""Object files become an image that works wherever it lies, or are refused."""

from __future__ import annotations

import llvmlite.binding as llvm
import pytest

from daskreg.compiled import code
from daskreg.compiled.loops.linking import known_system, linked

pytestmark = pytest.mark.skipif(not known_system(), reason="object files of another system")

ENTRY = """
define i32 @entry(ptr %words, ptr %result) {
  %given = load i64, ptr %words
  %found = call i64 @other(i64 %given)
  store i64 %found, ptr %result
  ret i32 0
}
"""
#: A table after one of an odd length, and a function of this file that no other may use.
TABLE = """
@odd = private constant [3 x i8] c"abc"
@table = private constant [4 x i64] [i64 2, i64 3, i64 5, i64 7], align 64

define internal i64 @own(i64 %at) {
  %place = getelementptr [4 x i64], ptr @table, i64 0, i64 %at
  %found = load i64, ptr %place
  ret i64 %found
}

define i64 @other(i64 %at) {
  %letter = getelementptr [3 x i8], ptr @odd, i64 0, i64 %at
  %read = load volatile i8, ptr %letter
  %wide = zext i8 %read to i64
  %found = call i64 @own(i64 %at)
  %sum = add i64 %wide, %found
  ret i64 %sum
}
"""
SYSTEM = """
declare i64 @labs(i64)

define i64 @other(i64 %given) {
  %found = call i64 @labs(i64 %given)
  ret i64 %found
}
"""


def object_of(text, **settings):
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(**{"jit": True} | settings)
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    return bytes(machine.emit_object(module))


def link(text, name="entry", **settings):
    return linked(object_of(ENTRY + text, **settings), name=name, result="int")


def test_tables_and_functions_are_found_wherever_the_image_lies():
    found = link(TABLE)
    assert not found.needs
    for _ in range(2):
        call = code.loaded(found, ("int",))
        assert [call(at) for at in range(3)] == [ord("a") + 2, ord("b") + 3, ord("c") + 5]


def test_functions_of_the_system_are_called_by_name():
    found = link(SYSTEM)
    assert [name for _, name in found.needs] == ["labs"]
    assert code.loaded(found, ("int",))(-7) == 7


def test_what_the_system_lacks_is_named():
    missing = SYSTEM.replace("labs", "no_such_function")
    with pytest.raises(LookupError, match="entry needs no_such_function"):
        code.loaded(link(missing), ("int",))


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("@state = global i64 1\n" + TABLE.replace("ptr @odd", "ptr @state"), {}, "section"),
        (TABLE, {"reloc": "pic", "codemodel": "small", "jit": False}, "an address of kind"),
        (
            "@known = external global [2 x i64]\n@table = private constant ptr getelementptr "
            "([2 x i64], ptr @known, i64 0, i64 1)\ndefine i64 @other(i64 %given) {\n"
            "  %place = load volatile ptr, ptr @table\n  %found = load i64, ptr %place\n"
            "  ret i64 %found\n}",
            {},
            "section|a part of known",
        ),
    ],
)
def test_what_is_not_known_is_refused(text, settings, message):
    with pytest.raises(NotImplementedError, match=message):
        link(text, **settings)


def test_files_that_are_none_and_entries_that_are_not_there_are_refused():
    with pytest.raises(NotImplementedError, match="another kind"):
        linked(b"MZ" + bytes(100), name="entry", result="int")
    with pytest.raises(NotImplementedError, match="nothing is not there"):
        link(TABLE, name="nothing")


def test_memory_of_an_image_is_for_reading_and_running_alone():
    address = code._address(link(TABLE))
    with open("/proc/self/maps") as file:
        spans = [line.split()[:2] for line in file]
    rights = []
    for span, kind in spans:
        start, stop = (int(end, 16) for end in span.split("-"))
        rights += [kind] if start <= address < stop else []
    assert rights == ["r-xp"]
