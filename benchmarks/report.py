"""The Markdown of a run: who took how long, who did not get there, and what the machine can do.

``python benchmarks/report.py FILE.json`` writes the table and the plot again.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure import Result
from names import MARKS, OWN, label

MIB = 2**20
GIGA = 1e9


def load(path: Path) -> tuple[dict[str, Any], list[Result]]:
    """Return the document of a run and its results."""
    document = json.loads(path.read_text())
    return document, [Result(**values) for values in document["results"]]


def by_case(results: list[Result]) -> dict[str, list[Result]]:
    """Return the results of each case: those that reached the gap first, by their seconds."""
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.case, []).append(result)
    for group in found.values():
        group.sort(key=lambda r: (r.status != "reached", r.status == "lacks", _order(r)))
    return found


def _order(result: Result) -> float:
    seconds = result.median("seconds")
    return seconds if math.isfinite(seconds) else math.inf


def ratio(result: Result, own: Result | None, cost: str = "seconds") -> float:
    """Return a library's cost over daskreg's; NaN where one of them did not reach the gap."""
    if own is None or result.status != "reached" or own.status != "reached":
        return math.nan
    return result.median(cost) / own.median(cost)


def rival_ratios(group: list[Result], cost: str = "seconds") -> list[float]:
    """Return the ratios of all rivals that reached the gap; marks are not rivals."""
    own = next((r for r in group if r.library == OWN), None)
    ratios = [ratio(r, own, cost) for r in group if r.library not in (OWN, *MARKS)]
    return [value for value in ratios if math.isfinite(value)]


def markdown(document: dict[str, Any], results: list[Result], plot: str) -> str:
    """Return the whole text."""
    settings, groups = document["settings"], by_case(results)
    parts = [
        f"# daskreg beside other libraries, {document['date']}",
        "",
        f"Made by `benchmarks/run.py`: sizes x {settings['scale']:g}, {settings['threads']} "
        f"threads, {settings['cap']:g} s for one fit at most, medians of up to "
        f"{settings['repeat']} runs. Each library runs at the loosest of its tolerances that "
        "reaches a relative gap of 1e-6, judged by one evaluator; how to read this is said in "
        "`benchmarks/README.md`.",
        "",
        f"![seconds of each library]({plot})",
        "",
        *_summary(document, groups),
    ]
    for case, group in groups.items():
        parts += ["", *_case(document["cases"][case], group)]
    parts += ["", *_machine(document), "", *_versions(results)]
    return "\n".join(parts) + "\n"


def _summary(document: dict[str, Any], groups: dict[str, list[Result]]) -> Iterator[str]:
    yield "| case | daskreg s | fastest rival | its time / daskreg's | CPU time / daskreg's |"
    yield "|---|---|---|---|---|"
    wall, cpu = [], []
    for case, group in groups.items():
        own = next((r for r in group if r.library == OWN), None)
        rivals = [r for r in group if r.status == "reached" and r.library not in (OWN, *MARKS)]
        seconds = "-" if own is None or own.status != "reached" else _seconds(own.median("seconds"))
        title = document["cases"][case]["title"]
        if not rivals:
            tried = any(r.library not in (OWN, *MARKS) and r.status != "lacks" for r in group)
            nobody = "nobody reaches the gap" if tried else "no other ran"
            yield f"| {title} | {seconds} | {nobody} | - | - |"
            continue
        ratios, cpus = rival_ratios(group), rival_ratios(group, "cpu_seconds")
        least, least_cpu = min(ratios, default=math.nan), min(cpus, default=math.nan)
        wall, cpu = [*wall, least], [*cpu, least_cpu]
        rival = label(rivals[0].library)
        if not ratios:
            yield f"| {title} | not reached | {rival} | - | - |"
            continue
        yield f"| {title} | {seconds} | {rival} | {least:.2g} | {least_cpu:.2g} |"
    usable = [value for value in wall if math.isfinite(value)]
    usable_cpu = [value for value in cpu if math.isfinite(value)]
    if usable and usable_cpu:
        mean, mean_cpu = map(statistics.geometric_mean, (usable, usable_cpu))
        cases = f"{len(usable)} of {len(groups)} cases"
        yield f"| geometric mean of {cases} | | | {mean:.2g} | {mean_cpu:.2g} |"


def _case(case: dict[str, Any], group: list[Result]) -> Iterator[str]:
    size = f"{case['n_rows']:,} x {case['n_columns']:,}"
    limit = f", at most {case['memory'] / 2**30:.1f} GiB" if case["memory"] else ""
    yield f"## {case['title']}: {size}{limit}"
    yield ""
    yield "| library | s | CPU s | time / daskreg's | peak MiB | peak - data MiB | gap | tol | |"
    yield "|---|---|---|---|---|---|---|---|---|"
    own = next((r for r in group if r.library == OWN), None)
    for result in group:
        if result.status != "lacks":
            yield _row(result, own, case["data_bytes"])
    lacking = [f"{label(r.library)}: {r.reason}" for r in group if r.status == "lacks"]
    if lacking:
        yield ""
        yield "Not here: " + "; ".join(lacking) + "."


def _row(result: Result, own: Result | None, data_bytes: int) -> str:
    remark = "" if result.status == "reached" else result.reason.replace("|", "/")
    if result.apart is not None and result.status != "reached":
        remark += f", errors apart {result.apart:.0e}"
    times = ratio(result, own)
    peak = result.median("peak_bytes") / MIB
    return (
        f"| {label(result.library)} | {_seconds(result.median('seconds'))} | "
        f"{_seconds(result.median('cpu_seconds'))} | {_number(times, '.2g')} | "
        f"{_number(peak, '.0f')} | {_number(peak - data_bytes / MIB, '.0f')} | "
        f"{_number(result.gap, '.0e')} | {'' if result.tol is None else f'{result.tol:g}'} | "
        f"{remark} |"
    )


def _machine(document: dict[str, Any]) -> Iterator[str]:
    found = document["machine"]
    threads = sorted({1, document["settings"]["threads"]})
    yield "## The machine's ceilings"
    yield ""
    yield (
        f"{found['processor']}, {found['cores']} cores, {found['memory_bytes'] / 2**30:.0f} GiB, "
        f"{found['system']}; load average {found['load_average']:.1f} when this was measured."
    )
    if found["load_average"] > 0.5:
        yield ""
        yield "Other work ran on the machine: CPU time tells more than seconds, and neither much."
    yield ""
    yield "| threads | memory read GB/s | gemm float32 GFLOP/s | float64 | disk read GB/s |"
    yield "|---|---|---|---|---|"
    names = ("memory_read", "gemm_float32", "gemm_float64", "disk_read")
    for count in threads:
        values = [found[f"{name}_{count}"] / GIGA for name in names]
        yield f"| {count} | " + " | ".join(f"{value:.1f}" for value in values) + " |"


def _versions(results: list[Result]) -> Iterator[str]:
    yield "## Versions"
    yield ""
    seen: dict[str, dict[str, str]] = {}
    for result in results:
        if result.versions:
            notes = result.runs[-1]["notes"] if result.runs else {}
            seen[result.library] = {**result.versions, "": notes.get("version", "")}
    for library, modules in seen.items():
        text = ", ".join(
            f"{name} {version}".strip() for name, version in modules.items() if version
        )
        yield f"- {label(library)}: {text}"


def _seconds(value: float) -> str:
    return "-" if not math.isfinite(value) else f"{value:.3g}" if value < 10 else f"{value:.1f}"


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "-"


def write(path: Path) -> None:
    """Write the Markdown and the plot beside the JSON file of a run."""
    from plot import draw

    document, results = load(path)
    picture = path.with_suffix(".png")
    draw(document, by_case(results), picture)
    path.with_suffix(".md").write_text(markdown(document, results, picture.name))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
