"""CUDA C put together for a loss and its numbers, and what a compiler is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from daskreg.compiled.sums import ENTROPY_SCALES
from daskreg.losses import Logistic, PointwiseLoss

#: Storage types and what C calls them; short floats are bits that a kernel decodes itself.
C_TYPES = {
    "bool": "unsigned char",
    "int8": "signed char",
    "uint8": "unsigned char",
    "int16": "short",
    "uint16": "unsigned short",
    "float16": "unsigned short",
    "bfloat16": "unsigned short",
    "float32": "float",
    "float64": "double",
    "int32": "int",
    "int64": "long long",
}
#: What the source calls short floats.
SHORT_FLOATS = {"float16": "HALF", "bfloat16": "BRAIN"}
#: Bytes of a number as stored.
SIZES = {name: int(name.lstrip("buintfloa") or 8) // 8 for name in C_TYPES if name != "bool"}
SIZES["bool"] = 1
#: Features up to which a row is kept in a warp's registers, by type of the products.
MOST_FEATURES = {"float32": 1024, "float64": 512}
#: Bytes of the rows that one lane holds, stored or decoded, and their number at most; twice as many
#: where they are stored in fewer bytes and a row is short: what the losses cost, whose functions
#: run in double for one row a lane, is shared by more rows then.
LANE_BYTES, MOST_ROWS = 256, {"float32": 16, "float64": 8}
#: Warps of a block of rows; threads of the blocks of other kernels.
WARPS, THREADS = 4, 256
#: No rounding that the code does not ask for.
OPTIONS = ("-std=c++17", "--fmad=true")


@dataclass(frozen=True)
class Program:
    """One source: what is stored, multiplied and summed.

    Attributes
    ----------
    loss : PointwiseLoss
        One that has CUDA C.
    stored, product : str
        Names of numpy's types: of X, and of the products.
    n_features : int
        0 for what takes any number of them.
    shifted, has_offset : bool
    indices : (str, str)
        Types of the column numbers and row pointers of sparse rows.
    """

    loss: PointwiseLoss
    stored: str
    product: str
    n_features: int = 0
    shifted: bool = False
    has_offset: bool = False
    indices: tuple[str, str] | None = None

    @property
    def fused(self) -> bool:
        """Whether one column of coefficients is read once."""
        return 0 < self.n_features <= MOST_FEATURES[self.product]

    @property
    def names(self) -> tuple[str, ...]:
        """What is summed beside the gradient, one name a number."""
        if not isinstance(self.loss, Logistic):
            return "value", "residual"
        offset = ("offset", "offset_y", "offset_residual") if self.has_offset else ()
        return "value", "residual", "curvature", *["entropy"] * len(ENTROPY_SCALES), *offset

    @property
    def vector(self) -> int:
        """Neighbouring columns that a lane loads at once: 16 bytes, where all lanes then work."""
        width = 16 // SIZES[self.stored]
        while width > 1 and (self.n_features % width or 32 * width > max(32, self.n_features)):
            width //= 2
        return width

    @property
    def chunks(self) -> int:
        """Runs of columns of a lane."""
        return max(1, -(-self.n_features // (32 * self.vector)))

    @property
    def values(self) -> int:
        """Numbers of a row that a lane holds."""
        return self.vector * self.chunks

    @property
    def rows(self) -> int:
        """Rows that a warp holds at a time."""
        widest = max(SIZES[self.product], SIZES[self.stored])
        narrow = self.product == "float32" and SIZES[self.stored] < 4 and self.values <= 16
        most = (2 if narrow else 1) * LANE_BYTES // (self.values * widest)
        return min(MOST_ROWS[self.product], 1 << max(0, most.bit_length() - 1))

    @property
    def blocks_per_sm(self) -> int:
        """Blocks that share a multiprocessor: as many as their registers leave room for.

        Two blocks with many rows have 64 KiB on their way, which is more than the fastest memory
        delivers in the time that a load takes.
        """
        heavy = self.values * SIZES[self.product] * (3 if self.shifted else 2)
        many = self.rows * self.values * SIZES[self.product] > LANE_BYTES
        crowded = self.product == "float64" or heavy > 128 or many
        return 2 if crowded else 3

    @property
    def macros(self) -> dict[str, str]:
        """What the source leaves open."""
        dual = isinstance(self.loss, Logistic)
        entropies = " ".join(
            f"add({number}, {scale!r}, {math.log(scale)!r})"
            for number, scale in enumerate(ENTROPY_SCALES)
        )
        found = {
            "STORED": C_TYPES[self.stored],
            "PRODUCT": C_TYPES[self.product],
            "DUAL": str(int(dual)),
            "HAS_OFFSET": str(int(self.has_offset)),
            "N_SUMS": str(len(self.names)),
            "ENTROPIES(add)": entropies,
            "THREADS": str(THREADS),
        }
        if self.stored in SHORT_FLOATS:
            found[SHORT_FLOATS[self.stored]] = "1"
        if self.fused:
            found |= {
                "VECTOR": str(self.vector),
                "CHUNKS": str(self.chunks),
                "ROWS": str(self.rows),
                "WARPS": str(WARPS),
                "BLOCKS_PER_SM": str(self.blocks_per_sm),
                "SHIFTED": str(int(self.shifted)),
            }
        if self.indices is not None:
            found["INDEX"], found["POINTER"] = (C_TYPES[name] for name in self.indices)
        return found

    @property
    def kernels(self) -> tuple[str, ...]:
        """Names of the kernels in the source."""
        if self.indices is not None:
            sparse = "csr_times", "csc_pieces", "csc_moments", "csc_join"
            return *sparse, "between_sparse", "between_products"
        return ("gradient_rows",) if self.fused else ("between_products",)

    @property
    def source(self) -> str:
        """The whole CUDA C."""
        defined = "".join(f"#define {name} {value}\n" for name, value in self.macros.items())
        parts = ["common"]
        if self.indices is not None:
            parts += ["between", "sparse"]
        else:
            parts += ["rows"] if self.fused else ["between"]
        return defined + str(self.loss.cuda) + "".join(text(part) for part in parts)


@cache
def text(name: str) -> str:
    return files(__package__).joinpath("source", f"{name}.cu").read_text(encoding="utf-8")
