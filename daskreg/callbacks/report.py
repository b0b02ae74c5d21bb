"""A fit on the screen: live on a terminal or in a notebook, plain lines in a log."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, TextIO

from .pace import describe
from .screen import Screen
from .screens import screen_for
from .standing import Standing


class ProgressReport:
    """Shows a fit: live bars on a terminal or in a notebook, one plain line an iteration elsewhere.

    One bar says how much of the pass is done, at what speed and how long the rest takes; on the
    other the gap falls to ``tol``, on a logarithmic scale.  With them: objective, nonzero
    coefficients, problems that go on, bytes read, and the time that is left if the gap goes on
    falling as it did.  What happens to workers and checkpoints is told as it happens.

    It is passed as ``callbacks=[ProgressReport()]``, or in scikit-learn's way by
    ``model.set_callbacks(ProgressReport())``, also of a grid search or a pipeline around a model.

    Parameters
    ----------
    tol : float, optional
        Default: that of the estimator.
    n_rows, pass_bytes : int, optional
        Rows and bytes of the data; with them the bar moves inside a pass. The plan of a fit
        brings them.
    stream : text file, optional
        Default ``sys.stderr``.
    live : bool, optional
        Default: whether ``stream`` is a terminal, or this is a notebook.
    show_plan : bool
        Print the plan before the first pass.

    Examples
    --------
    >>> import sys
    >>> from types import SimpleNamespace
    >>> with ProgressReport(tol=1e-3, stream=sys.stdout) as report:
    ...     report.on_iteration(
    ...         SimpleNamespace(n_passes=0, gap=1e-4, objective=0.5, n_nonzero=3, n_active=0)
    ...     )
    pass 1  gap 1.0e-04  objective 0.5  nonzeros 3
    """

    def __init__(
        self,
        tol: float | None = None,
        n_rows: int | None = None,
        pass_bytes: int | None = None,
        stream: TextIO | None = None,
        live: bool | None = None,
        show_plan: bool = False,
    ) -> None:
        self._settings = tol, n_rows, pass_bytes, stream, live, show_plan
        self._reset()

    def _reset(self) -> None:
        tol, n_rows, pass_bytes, stream, live, _ = self._settings
        self.standing = Standing(1e-6 if tol is None else tol, n_rows, pass_bytes)
        self._screen: Screen = screen_for(stream, live)
        self._lock, self._depth = threading.RLock(), 0

    def __getstate__(self) -> dict[str, Any]:
        # Copies in other processes have screens of their own.
        tol, n_rows, pass_bytes, _, live, show_plan = self._settings
        return {"_settings": (tol, n_rows, pass_bytes, None, live, show_plan)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    # ---------------------------------------------------------------- when it is on the screen

    def __enter__(self) -> ProgressReport:
        with self._lock:
            if self._depth == 0:
                self._screen.start()
            self._depth += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._screen.stop(self.standing, self._line)

    def setup(self, estimator: Any, context: Any) -> None:
        """A fit begins, as scikit-learn tells it."""
        self.standing.title = type(estimator).__name__
        self.__enter__()

    def teardown(self, estimator: Any, context: Any) -> None:
        """The fit has ended."""
        self.__exit__(None, None, None)

    #: In scikit-learn's protocol: estimators inside of others report as well.
    max_propagation_depth: int | None = None

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """A task begins; of daskreg's own, which tell the rest, fits inside of others are named."""
        if _is_ours(estimator) and context.source_estimator_name is not None:
            self.say(
                f"{context.source_estimator_name}: {context.source_task_name} {_number(context)}"
            )

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """A task of an estimator of scikit-learn has ended."""
        if not _is_ours(estimator) and context.parent is not None and context.max_subtasks == 0:
            self.say(f"{context.estimator_name}: {context.task_name} {_number(context)}")

    # ---------------------------------------------------------------- what a fit tells

    def on_plan(self, plan: Any) -> None:
        """Take the size of a pass from the plan, and show it if asked to; passes begin now."""
        self.standing.begin(self.standing.pace.tol, plan.n_rows, plan.total_bytes)
        if self._settings[-1]:
            self.say(str(plan))
        self._screen.show_rows(self.standing)

    def on_tol(self, tol: float) -> None:
        """Take the tolerance of the estimator, unless another one was given."""
        if self._settings[0] is None:
            self.standing.pace.tol = tol

    def on_rows(self, rows: int, nbytes: int) -> None:
        """Rows done inside a pass, and bytes read for them; called from any thread."""
        self.standing.add_rows(rows, nbytes)
        self._screen.show_rows(self.standing)

    def on_iteration(self, event: Any) -> None:
        """Show one iteration of the loop."""
        self.standing.update(event)
        self._screen.show_iteration(self.standing, self._line)

    def on_event(self, event: Any) -> None:
        """Tell what has happened to workers and reads; called from any thread.

        Checkpoints are written as a matter of course: the report of the fit has them.
        """
        if event.kind != "checkpoint":
            self.say(event.message)

    def say(self, text: str) -> None:
        """Print some text above what is live."""
        self._screen.say(text)

    @property
    def _line(self) -> str:
        standing = self.standing
        if standing.event is None:
            return ""
        return describe(standing.event, standing.pace, standing.bytes_read)


def _is_ours(estimator: Any) -> bool:
    return type(estimator).__module__.startswith("daskreg.")


def _number(context: Any) -> Any:
    """Tasks are counted from one; some have names."""
    return context.task_id + 1 if isinstance(context.task_id, int) else context.task_id
