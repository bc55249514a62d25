"""Ten thousand spoilt files over all readers: a sentence for each or a result, nothing executed, at
most 1 GB more memory.
"""

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import originals
import pytest
import readers

N = int(os.environ.get("MUTATIONS_N", "10000"))
WORKERS = 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc says what memory was used")
def test_spoilt_files(tmp_path, record_property):
    (tmp_path / "originals").mkdir()
    originals.originals(tmp_path / "originals")
    scratches: list[Path] = [tmp_path / f"worker{i}" for i in range(WORKERS)]
    with ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn")) as pool:
        jobs = []
        for i, scratch in enumerate(scratches):
            scratch.mkdir()
            jobs.append(
                pool.submit(
                    readers.work, tmp_path / "originals", scratch, list(range(i, N, WORKERS))
                )
            )
        try:
            wrong = [line for job in jobs for line in job.result()]
        except Exception as error:  # a process died
            now = ", ".join(
                (scratch / "now").read_text() for scratch in scratches if (scratch / "now").exists()
            )
            raise AssertionError(f"{type(error).__name__} at {now}") from error
    record_property("spoilt files", N - len(wrong))
    assert not wrong, "\n".join(wrong)
