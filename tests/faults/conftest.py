"""Faults on purpose. $FAULTS_N: how many runs are killed (100); twice as many bytes are changed.
$MUTATIONS_N: files that are spoilt (10,000).
"""

import os

import pytest

KILLS = int(os.environ.get("FAULTS_N", "100"))
SPOILT = int(os.environ.get("MUTATIONS_N", "10000"))
SHARES = 10


def shares(total: int) -> list[int]:
    """`total` in parts for pytest's processes to share."""
    parts = min(SHARES, total)
    return [total // parts + (i < total % parts) for i in range(parts)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name, total in (("kills", KILLS), ("flips", 2 * KILLS)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(
                name, shares(total), ids=[f"{name}{i}" for i in range(len(shares(total)))]
            )


def pytest_terminal_summary(terminalreporter) -> None:
    reports = [
        r for outcome in ("passed", "failed") for r in terminalreporter.stats.get(outcome, ())
    ]
    counted = {}
    for name, total in (("kills", KILLS), ("flips", 2 * KILLS), ("spoilt files", SPOILT)):
        found = [
            value
            for report in reports
            for key, value in getattr(report, "user_properties", ())
            if key == name
        ]
        if found:
            counted[name] = f"{name} {sum(found)} of {total}"
    if counted:
        terminalreporter.write_line(", ".join(counted.values()))
