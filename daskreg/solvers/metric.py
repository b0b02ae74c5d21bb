"""The metric of a quasi-Newton step: a scaled Gram matrix and the turns of the last gradients."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from daskreg._typing import AnyArray, Float

#: Added to the diagonal, relative to it: a Gram matrix of few or collinear rows is singular.
RIDGE = 1e-6
#: A pair whose curvature is below this share of the metric's own along the step tells nothing.
LEAST_TURN = 1e-8


@dataclass(frozen=True)
class Pairs:
    """The last steps of each problem and the turns of the gradient along them, oldest first.

    The intercept is the last coordinate.

    Attributes
    ----------
    steps, turns : arrays of shape (n_pairs, n_features + 1, n_problems)
    count : array of int, shape (n_problems,)
        How many of them are filled.
    """

    steps: Float
    turns: Float
    count: npt.NDArray[np.intp]

    @classmethod
    def none(cls, memory: int, n_features: int, n_problems: int) -> Pairs:
        """Room for ``memory`` pairs of each problem."""
        shape = (memory, n_features + 1, n_problems)
        return cls(np.zeros(shape), np.zeros(shape), np.zeros(n_problems, dtype=np.intp))

    def take(self, columns: AnyArray) -> Pairs:
        return Pairs(self.steps[..., columns], self.turns[..., columns], self.count[columns])

    def of(self, problem: int) -> tuple[Float, Float]:
        """Steps and turns of one problem, (n, n_features + 1) each."""
        n = int(self.count[problem])
        return self.steps[:n, :, problem], self.turns[:n, :, problem]

    def joined(self, problems: AnyArray, steps: Float, turns: Float) -> Pairs:
        """With one pair more for each of ``problems``, (n_features + 1, len(problems)) each.

        The oldest one makes room; pairs that are not finite, or no step at all, are left out.
        """
        usable = np.isfinite(turns).all(axis=0) & np.isfinite(steps).all(axis=0)
        usable &= steps.any(axis=0)
        if not len(self.steps) or not usable.any():
            return self
        new = Pairs(self.steps.copy(), self.turns.copy(), self.count.copy())
        for column in np.flatnonzero(usable):
            k = problems[column]
            if new.count[k] == len(new.steps):
                new.steps[:-1, :, k] = new.steps[1:, :, k]
                new.turns[:-1, :, k] = new.turns[1:, :, k]
            else:
                new.count[k] += 1
            new.steps[new.count[k] - 1, :, k] = steps[:, column]
            new.turns[new.count[k] - 1, :, k] = turns[:, column]
        return new


@dataclass(frozen=True)
class Metric:
    r"""``B = scale (G + ridge, 1) + U diag(sign) U'``, the intercept last; never held as a matrix.

    Columns are centred where there is an intercept, so that it stands apart in the first term.
    U holds the BFGS updates of the pairs, two vectors for each: with B the metric so far,

    .. math:: B_+ = B + \frac{y y^T}{s^T y} - \frac{B s\, s^T B}{s^T B s}.

    Attributes
    ----------
    G : array of shape (n_features, n_features)
        Shared by all problems.
    scale : float
    vectors : array of shape (n_features + 1, r)
    sign : array of shape (r,)

    References
    ----------
    Byrd, Nocedal and Schnabel (1994), Representations of quasi-Newton matrices and their use in
    limited memory methods, section 2 (eq. 2.4, here unrolled: the sum of rank-one terms lets a
    pair be judged by the metric that it meets).
    """

    G: Float
    scale: float
    vectors: Float
    sign: Float

    @classmethod
    def of(cls, G: Float, scale: float, steps: Float, turns: Float) -> Metric:
        """The scaled Gram matrix, updated by pairs (n, n_features + 1), oldest first."""
        plain = cls(G, scale, np.zeros((len(G) + 1, 0)), np.zeros(0))
        images = plain.times(steps.T)
        vectors: list[Float] = []
        signs: list[float] = []
        for step, turn, image in zip(steps, turns, images.T, strict=True):
            for vector, sign in zip(vectors, signs, strict=True):
                image = image + sign * (vector @ step) * vector
            own, met = step @ image, step @ turn
            if not (own > 0.0 and met > LEAST_TURN * own):
                continue
            vectors += [turn / np.sqrt(met), image / np.sqrt(own)]
            signs += [1.0, -1.0]
        if not vectors:
            return plain
        return replace(plain, vectors=np.stack(vectors, axis=1), sign=np.array(signs))

    @property
    def plain(self) -> Metric:
        """Without the pairs."""
        return replace(self, vectors=self.vectors[:, :0], sign=self.sign[:0])

    def stiffened(self, factor: float) -> Metric:
        """``factor`` times this metric."""
        return replace(self, scale=self.scale * factor, vectors=self.vectors * np.sqrt(factor))

    @property
    def ridge(self) -> Float:
        """What is added to the diagonal of G, (n_features,); constant columns get a harmless 1."""
        diagonal = np.diag(self.G)
        return np.where(diagonal > 0.0, RIDGE * diagonal, 1.0)

    @property
    def diagonal(self) -> Float:
        """Diagonal of the first term, (n_features + 1,)."""
        return self.scale * np.append(np.diag(self.G) + self.ridge, 1.0)

    def times(self, v: Float) -> Float:
        """``B v`` for v of shape (n_features + 1, ...)."""
        first = self.G @ v[:-1] + (self.ridge * v[:-1].T).T
        product = self.scale * np.concatenate([first, v[-1:]])
        return np.asarray(product + self.vectors @ (self.sign * (self.vectors.T @ v).T).T)

    def reduced(self, active: AnyArray) -> tuple[Float, Float, float]:
        """The block of the active columns once the intercept follows them at its optimum.

        Returns
        -------
        block : array of shape (n_active, n_active), C-contiguous
            ``B_AA - B_A0 B_0A / B_00``.
        coupling : array of shape (n_active,)
            ``B_A0``.
        own : float
            ``B_00``.
        """
        everything = len(active) == len(self.G)
        block = self.G.copy() if everything else self.G[np.ix_(active, active)]
        block[np.diag_indices(len(active))] += self.ridge[active]
        block *= self.scale
        signed = self.vectors * self.sign
        block += signed[active] @ self.vectors[active].T
        coupling = signed[active] @ self.vectors[-1]
        own = self.scale + float(signed[-1] @ self.vectors[-1])
        block -= np.outer(coupling, coupling / own)
        return np.ascontiguousarray(block), coupling, own
