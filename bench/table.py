"""Results as Markdown."""
import numpy as np

from cases import Case, Result

# An aim of every case with picture and sound, and one of every case.
OFFSET_AIM_MS = 20
START_AIM_S = 0.5

# With more than this beside it, a figure says little.
QUIET_CORES = 0.1


def number(values, form) -> str:
    """The median, and from where to where if there are several."""
    text = format(float(np.median(values)), form)
    low, high = format(min(values), form), format(max(values), form)
    return text if low == high else f"{text} ({low}…{high})"


def _column(results: list, name: str) -> list:
    return [getattr(result, name) for result in results]


def _ratios(results: list, name: str, below: str) -> list:
    return [getattr(result, name) / getattr(result, below) for result in results]


def offsets(results: list) -> list:
    """Median, from p5 to p95, and worst of all rounds together."""
    offsets = np.array(sum(_column(results, "offsets_ms"), []))
    if not len(offsets):
        return ["–", "–", "–"]
    worst = offsets[np.argmax(np.abs(offsets))]
    return [f"{np.median(offsets):+.1f}",
            f"{np.quantile(offsets, 0.05):+.1f}…{np.quantile(offsets, 0.95):+.1f}", f"{worst:+.1f}"]


def line(cells) -> str:
    return f"| {' | '.join(cells)} |"


def results_table(measured: list) -> list:
    """measured: of (case, results). Lines of Markdown."""
    head = ["case", "cores", "CPU s per s", "floor", "ratio", "peak MB", "floor", "ratio", "own MB",
            "active s", "first content s", "exit s", "A/V ms", "p5…p95", "worst", "dropped", "twice",
            "others' cores"]
    lines = [line(head), line(["---"] + ["--:"] * (len(head) - 1))]
    for case, results in measured:
        video = bool(case.video)
        lines.append(line([
            case.title,
            number(_column(results, "cores"), ".3f"),
            number(_column(results, "cpu"), ".3f"),
            number(_column(results, "floor_cpu"), ".3f"),
            number(_ratios(results, "cpu", "floor_cpu"), ".2f"),
            number(_column(results, "memory_mb"), ".0f"),
            number(_column(results, "floor_memory_mb"), ".0f"),
            number(_ratios(results, "memory_mb", "floor_memory_mb"), ".2f"),
            number(_column(results, "own_mb"), ".1f"),
            number(_column(results, "active_s"), ".2f"),
            number(_column(results, "content_s"), ".2f"),
            number(_column(results, "finish_s"), ".2f"),
            *offsets(results),
            number(_column(results, "dropped"), ".0f") if video else "–",
            number(_column(results, "duplicated"), ".0f") if video else "–",
            number(_column(results, "neighbours"), ".2f")]))
    return lines


def _worst_p95(results: list) -> float:
    """Of the rounds' 95th percentiles of how far picture and sound are apart."""
    return max(float(np.quantile(np.abs(result.offsets_ms), 0.95)) if result.offsets_ms else np.inf
               for result in results)


def _latest(results: list, name: str) -> float:
    """How long after what it could record first, in the worst round."""
    return max(getattr(result, name) - result.available_s for result in results)


def _aims(case: Case, results: list):
    """(what, aim, found, format) of what there is an aim of; smaller is better."""
    if case.cores_aim:
        yield "cores", case.cores_aim, np.median(_column(results, "cores")), ".3f"
    if case.memory_aim_mb:
        yield "peak MB", case.memory_aim_mb, np.median(_column(results, "memory_mb")), ".0f"
    if case.cpu_ratio_aim:
        yield ("CPU, times the floor", case.cpu_ratio_aim,
               np.median(_ratios(results, "cpu", "floor_cpu")), ".2f")
    if case.memory_ratio_aim:
        yield ("memory, times the floor", case.memory_ratio_aim,
               np.median(_ratios(results, "memory_mb", "floor_memory_mb")), ".2f")
    if case.video:
        yield "A/V offset, ms (p95, worst round)", OFFSET_AIM_MS, _worst_p95(results), ".1f"
    first = "first key frame" if case.video else "first sound"
    yield f"recorded from … after the {first}, s", START_AIM_S, _latest(results, "content_s"), ".2f"
    yield f"active … after the {first}, s", START_AIM_S, _latest(results, "active_s"), ".2f"


def aims_table(measured: list) -> list:
    lines = [line(["case", "", "aim: at most", "found", ""]), line(["---", "---", "--:", "--:", "---"])]
    for case, results in measured:
        for what, aim, found, form in _aims(case, results):
            reached = "reached" if found <= aim else f"missed: {found / aim:.2f} times the aim"
            lines.append(line([case.title, what, f"{aim:g}", format(found, form), reached]))
    return lines


def disturbance(measured: list) -> str:
    """A warning, or nothing."""
    most = max(result.neighbours for _, results in measured for result in results)
    if most <= QUIET_CORES:
        return ""
    return (f"**Disturbed:** up to {most:.1f} processors were busy with something else meanwhile. "
            "Processor time and latencies are worse than on a quiet machine.")
