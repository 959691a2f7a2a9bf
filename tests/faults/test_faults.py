"""What goes wrong on a command line or in a file is one clear message, and nothing is lost."""

from collections import Counter
from pathlib import Path

import pytest
from fault_world import Fault, build, corpus, tried

PART = 12
"""Every so many of the inputs is tried here; ``benchmarks/faults.py`` tries all of them."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    build(folder)
    return folder


def test_the_corpus_is_large_and_names_each_input_once() -> None:
    names = Counter(fault.name for fault in corpus())
    assert len(names) >= 300
    assert max(names.values()) == 1


@pytest.mark.parametrize("fault", corpus()[::PART], ids=lambda fault: fault.name)
def test_an_input_gets_the_verdict_that_it_must(
    fault: Fault, template: Path, tmp_path: Path
) -> None:
    outcome = tried(fault, template, tmp_path)
    assert outcome.verdict == "clear", outcome.message
