"""Rerun the golden trials and list the digest of the deciding code as verified for its version.

Run it after any change to the code that decides what a trial computes (`make verify-trials`). It
trains tiny networks for half a minute and compares every number with tests/golden/trials.json:
exactly on the kind of processor and with the packages of the record, else to a relative 1e-5.

* The numbers agree: the digest is listed in pipeline/trials/verified.yaml, and every key is again
  what it was before the change. Commit that file.
* The numbers differ: raise TRIAL_VERSION in pipeline/trials/deciding_code.py and run it again. It
  then records the new numbers. Every trial will be trained again.
* A default of a model or a recipe changed: keys hold these by value, so the version stays, and the
  numbers of the trials it touches are recorded again.

Without all this nothing breaks: keys hold the digest of the code itself until it is listed.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.trials.deciding_code import TRIAL_VERSION, Verified, code_digest
from tests.golden.cases import LAYOUTS, Case, resolved
from tests.golden.record import TOLERANCE, Place, Record, difference
from tests.golden.trials import Golden
from tests.golden.weights import start_from


@dataclass(frozen=True)
class Faults:
    """What keeps the record and the code from agreeing."""

    differing: dict[str, str]
    """Where the numbers of a trial differ from the recorded ones, by trial."""
    restated: list[str]
    """The trials that state other values than recorded: a default, or the trial itself, changed."""


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when the code's digest is listed in the end, 1 when a person has to decide."""
    parser = argparse.ArgumentParser(
        prog="make verify-trials",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; 1 if there is anything to write or say"
    )
    check = parser.parse_args(arguments).check
    torch.set_num_threads(1)
    verified, record, place = Verified.load(), Record.load(), Place.here()
    digest = code_digest()
    with tempfile.TemporaryDirectory() as folder:
        golden = Golden(Path(folder))
        if record is None or verified.version != TRIAL_VERSION:
            if check:
                return _fault(f"version {TRIAL_VERSION} has no record yet: run make verify-trials")
            _recorded(golden, place).write()
            Verified(TRIAL_VERSION, (digest,)).write()
            print(f"recorded the golden trials of version {TRIAL_VERSION} and listed {digest[:16]}")
            return 0
        faults = compare(golden, record, place, every=not check)
        return _judged(golden, record, verified, place, faults, check=check)


def compare(golden: Golden, record: Record, place: Place, *, every: bool) -> Faults:
    """Compute the recorded trials anew; only up to the first that differs unless ``every``."""
    exact = record.place == place
    differing = {}
    for name, recorded in record.numbers.items():
        case = record.cases.get(name)
        if not exact and case is not None and case["precision"] == "bf16":
            continue  # half precision rounds on each kind of processor in its own way
        computed = _numbers(golden, name, case)
        if fault := difference(recorded, computed, 0 if exact else TOLERANCE):
            differing[name] = fault
            if not every:
                break
    now = resolved()
    restated = [name for name in {**now, **record.cases} if now.get(name) != record.cases.get(name)]
    return Faults(differing, restated)


def _judged(
    golden: Golden,
    record: Record,
    verified: Verified,
    place: Place,
    faults: Faults,
    *,
    check: bool,
) -> int:
    digest = code_digest()
    listed = digest in verified.digests
    upgraded = record.place.versions != place.versions
    for name, fault in faults.differing.items():
        print(f"{name}{fault}")
    if faults.differing and not (listed and upgraded):
        return _fault(_reason(record, place, listed))
    for text in restated(record, faults.restated):
        print(text)
    if check:
        stale = not listed or faults.restated or upgraded
        return _fault("there is something to record: run make verify-trials") if stale else 0
    if faults.restated or upgraded:
        _recorded(golden, place).write()
        print("recorded the golden trials again: keys hold packages and recipes by value")
    if not listed:
        Verified(verified.version, (*verified.digests, digest)).write()
        print(f"listed {digest[:16]} for version {TRIAL_VERSION} in pipeline/trials/verified.yaml")
    print(f"version {TRIAL_VERSION} is verified")
    return 0


def _reason(record: Record, place: Place, listed: bool) -> str:
    if listed and record.place == place:
        return (
            "The numbers changed and the digest of the code did not: a module that decides is not "
            "in DECIDING (pipeline/trials/deciding_code.py). Add it there."
        )
    if record.place.versions != place.versions:
        return (
            f"The packages are other ones than those of the record ({record.place.versions}). "
            "Install these (requirements.lock), verify the code, then upgrade and verify again."
        )
    where = "" if record.place == place else f" The record was made on {record.place.processor}."
    return (
        f"The numbers changed: raise TRIAL_VERSION (now {TRIAL_VERSION}) in "
        f"pipeline/trials/deciding_code.py and run make verify-trials again.{where}"
    )


def restated(record: Record, names: list[str]) -> Iterator[str]:
    """Say which values of golden trials are other ones than recorded, each once."""
    now = resolved()
    texts = []
    for name in names:
        old, new = record.cases.get(name), now.get(name)
        if old is None or new is None:
            texts.append(f"a golden trial is {'new' if old is None else 'gone'}: {name}")
            continue
        before, after = dict(_values(old)), dict(_values(new))
        texts += [
            f"{key} is {after.get(key)!r} and was {before.get(key)!r} in the golden trials"
            for key in {**before, **after}
            if before.get(key) != after.get(key) or (key in before) != (key in after)
        ]
    yield from dict.fromkeys(texts)


def _values(case: Case) -> Iterator[tuple[str, Any]]:
    for key, value in case.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{name}", each) for name, each in value.items())
        else:
            yield key, value


def _recorded(golden: Golden, place: Place) -> Record:
    cases = resolved()
    names = [*cases, *LAYOUTS]
    return Record(place, cases, {name: _numbers(golden, name, cases.get(name)) for name in names})


def _numbers(golden: Golden, name: str, case: Case | None) -> dict[str, Any]:
    """Compute a trial, or the start from published weights that ``name`` says."""
    return start_from(name, golden.folder) if case is None else golden.numbers(case)


def _fault(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
