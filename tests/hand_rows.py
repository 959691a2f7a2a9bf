"""Rows of a robustness evaluation as short as a test can say them."""

from typing import Any


def row(
    axis: str = "friction", severity: float = 0.5, success: bool | None = True, **more: Any
) -> dict[str, Any]:
    return {
        "policy": "walker",
        "mode": "mean",
        "axis": axis,
        "severity": severity,
        "case": "",
        "unit": "",
        "seed": 1,
        "sim": 0,
        "index": 0,
        "success": success,
        "survived": bool(success),
        "outcome": "success" if success else "fell",
        "pushes": [],
    } | more


def many(hits: int, count: int, **more: Any) -> list[dict[str, Any]]:
    return [row(success=sim < hits, sim=sim, **more) for sim in range(count)]


def push(direction: float, seconds: float | None, severity: float, sim: int) -> dict[str, Any]:
    one = {
        "begin": 4.0,
        "impulse": 9.6 * severity,
        "direction": direction,
        "phase": None,
        "recovered": seconds is not None,
        "seconds": seconds,
    }
    return row("push", severity, seconds is not None, sim=sim, pushes=[one])
