"""The way from words to the arguments of a compiled function, as numba's functions take them."""

from __future__ import annotations

import llvmlite.binding as llvm
import numpy as np

from daskreg.compiled.code import ARRAY_HEAD, ARRAY_PARTS, ArrayKind, Kind

#: What a function takes first: a place for its result, and one for an error.
_FIRST = ["ptr %value", "ptr %error"]
#: What loops that make no arrays name, and call at no time: numba's count of who owns an array.
_NEVER = ("NRT_MemInfo_call_dtor",)
#: Types of results in memory.
_RESULTS = {"none": "i64", "int": "i64", "bool": "i8"}


class Entry:
    """A function that reads each argument from a word, and calls the one that is compiled.

    Python would take tens of microseconds to find the parts of a dozen arrays.

    Parameters
    ----------
    symbol : str
        Of the function that is called.
    kinds : tuple
        Of its arguments.
    result : {"none", "int", "bool"}
    """

    def __init__(self, symbol: str, kinds: tuple[Kind, ...], result: str) -> None:
        if result not in _RESULTS:
            raise NotImplementedError(f"{symbol} returns something else")
        self.symbol = f"{symbol}.words"
        self._lines: list[str] = []
        self._n_names = 0
        given = list(_FIRST)
        for number, kind in enumerate(kinds):
            given += self._argument(number, kind)
        #: Types of all that the function takes.
        self.types = [one.split()[0] for one in given]
        self._text = f"""
declare i32 @"{symbol}"({", ".join(self.types)})
{"".join(f"define void @{name}(ptr %0) {{ ret void }}" for name in _NEVER)}

define i32 @"{self.symbol}"(ptr %words, ptr %result) {{
  %value = alloca i64
  %error = alloca ptr
{"".join(self._lines)}
  %status = call i32 @"{symbol}"({", ".join(given)})
  %found = load {_RESULTS[result]}, ptr %value
  %whole = {"add i64 0, %found" if result != "bool" else "zext i8 %found to i64"}
  store i64 %whole, ptr %result
  ret i32 %status
}}
"""

    def object_code(self) -> bytes:
        """Return an object file."""
        machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
        module = llvm.parse_assembly(self._text)
        module.triple = machine.triple
        module.data_layout = str(machine.target_data)
        module.verify()
        return bytes(machine.emit_object(module))

    def _argument(self, number: int, kind: Kind) -> list[str]:
        place = self._name(f"getelementptr i64, ptr %words, i64 {number}")
        if kind == "none":
            return ["ptr null"]
        if kind == "float":
            return [f"double {self._load('double', place)}"]
        if isinstance(kind, ArrayKind):
            return self._array(kind, self._load("ptr", place))
        word = self._load("i64", place)
        return [f"i64 {word}" if kind == "int" else f"i8 {self._name(f'trunc i64 {word} to i8')}"]

    def _array(self, kind: ArrayKind, array: str) -> list[str]:
        """Return who owns it (nobody, twice), size, bytes of a number, place, shape and strides."""
        data, sizes, strides = (
            self._load("ptr", self._name(f"getelementptr i8, ptr {array}, i64 {ARRAY_HEAD + at}"))
            for at in ARRAY_PARTS
        )
        shape = [self._axis(sizes, axis) for axis in range(kind.ndim)]
        steps = [self._axis(strides, axis) for axis in range(kind.ndim)]
        size = "1"
        for length in shape:
            size = self._name(f"mul i64 {size}, {length}")
        numbers = size, str(np.dtype(kind.dtype).itemsize), *shape, *steps
        first, second, *rest = (f"i64 {one}" for one in numbers)
        return ["ptr null", "ptr null", first, second, f"ptr {data}", *rest]

    def _axis(self, several: str, axis: int) -> str:
        return self._load("i64", self._name(f"getelementptr i64, ptr {several}, i64 {axis}"))

    def _load(self, kind: str, place: str) -> str:
        return self._name(f"load {kind}, ptr {place}, align 1")

    def _name(self, value: str) -> str:
        self._n_names += 1
        name = f"%v{self._n_names}"
        self._lines.append(f"  {name} = {value}\n")
        return name
