"""What a run measured, small enough to keep in git, and what a later run says got slower.

Times are kept as ratios to the bare driver of the same run: those of two machines, or of two days,
cannot be compared.
"""

from typing import Any

from bench.operations import Samples

OURS, STOCK, CACHE, DRIVER = "sessionstore", "Django db", "Django cache (Redis)", "bare driver"
# A difference that is not noise: outside the spread of both runs, and more than this.
SLOWER, MORE = 1.05, 1.02
Measured = dict[str, Any]


def made_of(cold: dict[str, Samples], warm: dict[str, Samples], counts: Any) -> Measured:
    """Return ours by way, database and operation: middle, least and most; and the instructions."""
    ratios = {
        way: {
            database: {
                operation: [round(value, 3) for value in (ratio.middle, ratio.least, ratio.most)]
                for (operation, name), sample in samples.items()
                if name == OURS and (operation, DRIVER) in samples
                for ratio in [sample.ratio(samples[operation, DRIVER])]
            }
            for database, samples in found.items()
        }
        for way, found in (("cold", cold), ("warm", warm))
    }
    ours = {database: found[OURS] for database, found in counts.items() if OURS in found}
    return {"times the driver": ratios, "thousands of instructions": ours}


def compare(before: Measured, now: Measured) -> str:
    """Return what got slower since the baseline, a line each."""
    lines = []
    for way, databases in now["times the driver"].items():
        for database, operations in databases.items():
            known = before["times the driver"].get(way, {}).get(database, {})
            for operation, (middle, least, _) in operations.items():
                was, _, most_then = known.get(operation, (middle, middle, middle))
                if middle > was * SLOWER and least > most_then:
                    lines.append(f"{way}, {database}, {operation}: {was:.2f} -> {middle:.2f}")
    for database, operations in now["thousands of instructions"].items():
        known = before["thousands of instructions"].get(database, {})
        for operation, count in operations.items():
            was = known.get(operation, count)
            if count > was * MORE:
                lines.append(f"instructions, {database}, {operation}: {was}k -> {count}k")
    head = "Slower than the stored baseline" if lines else "Nothing is slower than the baseline"
    return "\n".join([f"{head} ({before.get('made on', 'unknown')})", *lines])
