"""Object files of LLVM turned to images, with all addresses but their own filled in."""

from __future__ import annotations

import platform
import struct
import sys
from typing import NamedTuple

from daskreg.compiled.code import MachineCode

# Of the format of object files: "System V Application Binary Interface" (2013), chapter 4, and its
# supplement for AMD64 (2018), chapter 4.
_HEAD, _SECTION = struct.Struct("<40xQ10xHHH"), struct.Struct("<IIQQQQIIQQ")
_SYMBOL, _RELOCATION = struct.Struct("<IBBHQQ"), struct.Struct("<QIIq")
_PROGBITS, _SYMTAB, _RELA = 1, 2, 4
_WRITE, _ALLOC = 1, 2
_UNDEFINED, _RESERVED = 0, 0xFF00
_LOCAL = 0
_ADDRESS = 1  # R_X86_64_64: a word that holds the address of a symbol, and something added
#: What debuggers and exceptions need.
_UNWINDING = ".eh_frame"


class _Section(NamedTuple):
    name: str
    kind: int
    flags: int
    body: bytes
    link: int
    info: int
    align: int


class _Symbol(NamedTuple):
    name: str
    local: bool
    section: int
    value: int


def known_system() -> bool:
    """Return whether object files of this system are known here."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def linked(whole: bytes, *, name: str, result: str) -> MachineCode:
    """Return an object file as one image.

    Parameters
    ----------
    whole : bytes
    name : str
        Of the loop, and of the symbol that is called.
    result : {"none", "int", "bool"}

    Raises
    ------
    NotImplementedError
        If there is something in it that is not known here.
    """
    image = bytearray()
    file = _File(whole, image)
    own: list[tuple[int, int]] = []
    needs: list[tuple[int, str]] = []
    for at, symbol, more in file.addresses():
        place = file.place(symbol)
        if place is not None:
            own.append((at, place + more))
        elif not more:
            needs.append((at, symbol.name))
        else:
            raise NotImplementedError(f"a part of {symbol.name}")
    entry = file.defined().get(name)
    if entry is None:
        raise NotImplementedError(f"{name} is not there")
    return MachineCode(name, result, bytes(image), entry, tuple(own), tuple(needs))


class _File:
    """An object file, whose sections are put into an image."""

    def __init__(self, whole: bytes, image: bytearray) -> None:
        start, size, count, names = _HEAD.unpack_from(whole)
        if whole[:6] != b"\x7fELF\x02\x01" or size != _SECTION.size:
            raise NotImplementedError("an object file of another kind")
        heads = [_SECTION.unpack_from(whole, start + size * number) for number in range(count)]
        at, length = heads[names][4:6]
        texts = whole[at : at + length]
        self._sections = [_section(whole, head, texts) for head in heads]
        self._places = {
            number: _put(section, image)
            for number, section in enumerate(self._sections)
            if section.flags & _ALLOC and section.name != _UNWINDING
        }
        self._symbols = [
            symbol
            for section in self._sections
            if section.kind == _SYMTAB
            for symbol in _symbols(section, self._sections[section.link].body)
        ]

    def place(self, symbol: _Symbol) -> int | None:
        """Return where the image holds a symbol, None where this file does not define it."""
        if symbol.section == _UNDEFINED:
            return None
        if symbol.section not in self._places:
            raise NotImplementedError(f"{symbol.name} is nowhere")
        return self._places[symbol.section] + symbol.value

    def defined(self) -> dict[str, int]:
        """Return names that others may use, and where they are."""
        places = {
            one.name: self.place(one)
            for one in self._symbols
            if not one.local and one.section < _RESERVED
        }
        return {name: place for name, place in places.items() if place is not None}

    def addresses(self) -> list[tuple[int, _Symbol, int]]:
        """Return places in the image that hold addresses, of which symbol, and what to add."""
        found = []
        for section in self._sections:
            if section.kind != _RELA or section.info not in self._places:
                continue
            for at, kind, symbol, more in _RELOCATION.iter_unpack(section.body):
                if kind != _ADDRESS:
                    raise NotImplementedError(f"an address of kind {kind}")
                found.append((self._places[section.info] + at, self._symbols[symbol], more))
        return found


def _section(whole: bytes, head: tuple[int, ...], texts: bytes) -> _Section:
    name, kind, flags, _, at, length, link, info, align, _ = head
    return _Section(_text(texts, name), kind, flags, whole[at : at + length], link, info, align)


def _put(section: _Section, image: bytearray) -> int:
    """Add a section that stays as it is to the image; return where it lies."""
    if section.kind != _PROGBITS or section.flags & _WRITE:
        raise NotImplementedError(f"section {section.name}")
    image += bytes(-len(image) % max(1, section.align))
    start = len(image)
    image += section.body
    return start


def _symbols(table: _Section, texts: bytes) -> list[_Symbol]:
    return [
        _Symbol(_text(texts, name), bind >> 4 == _LOCAL, section, value)
        for name, bind, _, section, value, _ in _SYMBOL.iter_unpack(table.body)
    ]


def _text(texts: bytes, at: int) -> str:
    return texts[at : texts.index(b"\0", at)].decode()
