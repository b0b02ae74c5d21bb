"""Functions in machine code, written by functions of Python that run once, on values to come.

A compiler of Python's functions has to find out the types of each statement, which takes longer
than all else.  Here Python's operators and brackets write an instruction each, and what must not
be decided while the function is written is written by `Code`: loops, choices and variables::

    @written()
    def add_squares(code: Code, x: Array, out: Array) -> None:
        total = code.variable(0.0)
        for i in code.each(x.size):
            with code.when(x[i] > 0.0):
                total.now += x[i] * x[i]
        out[0] = total.now

Such a loop has neither ``break`` nor ``continue``: its body runs once.  Python's own ``if`` is for
what the kinds of the arguments say, an array that is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from daskreg.compiled.code import ArrayKind, Kind

from .arrays import given_array
from .values import ANY_ORDER, FLOAT, SIZE, Number, Truth, Whole, size_of

#: Of what llvmlite does not number.
_FIRST_NODE = 1000
_BYTE, _STATUS = ir.IntType(8), ir.IntType(32)


@dataclass(frozen=True)
class Written:
    """What writes a function: called with a `Code` and values for the arguments, as they come.

    Parameters
    ----------
    function : callable
    exact : bool
        Products and sums are not contracted, so that their bits are those of numpy.
    """

    function: Callable[..., Any]
    exact: bool

    def code(self, name: str, kinds: Sequence[Kind]) -> Code:
        """Return the whole function for such arguments."""
        code = Code(name, kinds, () if self.exact else ("contract",))
        result = self.function(code, *code.given)
        if not code.block.is_terminated:
            code.leave(result)
        code.close()
        return code


def written(*, exact: bool = False) -> Callable[[Callable[..., Any]], Written]:
    """Decorate a function that writes what a `daskreg.compiled.Loop` stands for."""
    return lambda function: Written(function, exact)


@dataclass(frozen=True)
class _Node:
    """Something that is said of instructions, by its number."""

    number: int

    def __str__(self) -> str:
        return f"!{self.number}"

    def get_reference(self) -> str:
        """Name it as llvmlite asks for it."""
        return str(self)


class Code(ir.IRBuilder):
    """A function that is being written: what comes next, and what it was called with.

    The function takes words, one for each argument, and the place of its result, a word; see
    `daskreg.compiled.code.MachineCode`.
    """

    def __init__(self, name: str, kinds: Sequence[Kind], float_flags: Sequence[str] = ()) -> None:
        module = ir.Module(name)
        kind = ir.FunctionType(_STATUS, [SIZE.as_pointer(), SIZE.as_pointer()])
        function = ir.Function(module, kind, name)
        self._first = ir.IRBuilder(function.append_basic_block("variables"))
        super().__init__(function.append_basic_block("begin"))
        #: Of products, sums and other instructions of numbers.
        self.float_flags = tuple(float_flags)
        #: "none", "int" or "bool".
        self.result = "none"
        self._words, self._place = function.args
        self._nodes: list[str] = []
        self._group: _Node | None = None
        self._begin = self.block
        self.given = [self._argument(*one) for one in enumerate(kinds)]

    def each(
        self, start: Whole | int, stop: Whole | int | None = None, step: Whole | int = 1
    ) -> Iterator[Whole]:
        """Write a loop over ``range(start, stop, step)``, of ascending places."""
        first, last = (0, start) if stop is None else (start, stop)
        return self._loop(first, last, step, None)

    def apart(self, stop: Whole) -> Iterator[Whole]:
        """Write a loop over ``range(stop)`` of which no turn sees what another one stores.

        So that vectors may take several turns at once.  LLVM finds that out by itself only if it
        can compare where arrays begin and end, which it does at run time, and not always well.
        """
        group, fact, loop = (_Node(_FIRST_NODE + len(self._nodes) + one) for one in range(3))
        self._nodes += [
            f"{group} = distinct !{{}}",
            f'{fact} = !{{!"llvm.loop.parallel_accesses", {group}}}',
            f"{loop} = distinct !{{{loop}, {fact}}}",
        ]
        self._group = group
        yield from self._loop(0, stop, 1, loop)
        self._group = None

    def load(self, *given: Any, **settings: Any) -> Any:
        """Load as llvmlite does, as a part of the loop that is written."""
        return self._grouped(super().load(*given, **settings))

    def store(self, *given: Any, **settings: Any) -> Any:
        """Store likewise."""
        return self._grouped(super().store(*given, **settings))

    @contextmanager
    def when(self, condition: Truth) -> Iterator[None]:
        """Write what is done only where the condition holds."""
        with self.if_then(condition.value):
            yield

    @contextmanager
    def either(self, condition: Truth) -> Iterator[Any]:
        """Give two contexts: what is done where the condition holds, and where it does not."""
        with self.if_else(condition.value) as both:
            yield both

    def variable(self, value: Number | Whole | float) -> Variable:
        """Return something that changes, and its first value, set whenever one comes here."""
        if isinstance(value, int | float):
            value = self.size(value) if isinstance(value, int) else self.number(value)
        found = Variable(self, self.room(value.value.type), type(value))
        found.now = value
        return found

    def room(self, kind: Any) -> Any:
        """Return a pointer to room for one value of such a type."""
        return self._first.alloca(kind)

    def external(self, name: str, kind: Any) -> Any:
        """Return a function that is known by its name, to LLVM or the system."""
        known = self.module.globals.get(name)
        return ir.Function(self.module, kind, name) if known is None else known

    def size(self, value: int) -> Whole:
        """Return a constant."""
        return Whole(self, SIZE(value))

    def number(self, value: float) -> Number:
        """Return a constant."""
        return Number(self, FLOAT(value))

    def leave(self, result: Whole | Truth | None) -> None:
        """Return from the function."""
        if isinstance(result, Truth):
            self.result, result = "bool", result.whole()
        elif result is not None:
            self.result = "int"
        if result is not None:
            self.store(result.value, self._place)
        self.ret(_STATUS(0))

    def text(self) -> str:
        """Return all of it, in LLVM's language."""
        return "\n".join([str(self.module), *self._nodes])

    def close(self) -> None:
        """Begin with the variables."""
        self._first.branch(self._begin)

    def _loop(
        self, first: Whole | int, last: Whole | int, step: Whole | int, facts: _Node | None
    ) -> Iterator[Whole]:
        head, body, after = (self.append_basic_block(name) for name in ("head", "body", "after"))
        before = self.block
        self.branch(head)
        self.position_at_end(head)
        place = self.phi(SIZE)
        place.add_incoming(size_of(first), before)
        self.cbranch(self.icmp_signed("<", place, size_of(last)), body, after)
        self.position_at_end(body)
        yield Whole(self, place)
        place.add_incoming(self.add(place, size_of(step), flags=("nsw",)), self.block)
        again = self.branch(head)
        if facts is not None:
            again.set_metadata("llvm.loop", facts)
        self.position_at_end(after)

    def _grouped(self, instruction: Any) -> Any:
        if self._group is not None:
            instruction.set_metadata("llvm.access.group", self._group)
        return instruction

    def _argument(self, number: int, kind: Kind) -> Any:
        if kind == "none":
            return None
        place = self.gep(self._words, [SIZE(number)])
        if isinstance(kind, ArrayKind):
            pointer = self.bitcast(place, _BYTE.as_pointer().as_pointer())
            return given_array(self, kind, self.load(pointer))
        if kind == "float":
            return Number(self, self.load(self.bitcast(place, FLOAT.as_pointer())))
        word = Whole(self, self.load(place))
        return word > 0 if kind == "bool" else word


class Variable:
    """A number or a size that changes: a place in memory, which becomes a register.

    So it belongs to no loop, whose turns may see what others left in it.
    """

    def __init__(self, code: Code, place: Any, kind: type[Number | Whole]) -> None:
        self._code, self._place, self._kind = code, place, kind

    @property
    def now(self) -> Any:
        """What it is, a number or a size."""
        return self._kind(self._code, ir.IRBuilder.load(self._code, self._place))

    @now.setter
    def now(self, value: Any) -> None:
        ir.IRBuilder.store(self._code, value.value, self._place)

    def add(self, value: Any) -> None:
        """Add to a sum, in any order: vectors of such sums are several ones."""
        total = self._code.fadd(self.now.value, value.value, flags=ANY_ORDER)
        self.now = self._kind(self._code, total)
