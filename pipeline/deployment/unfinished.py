"""Write the predictions of many files to a CSV file, and go on after a kill."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from pipeline.base.errors import UserError
from pipeline.base.files import replacing
from pipeline.deployment.classifying import Prediction
from pipeline.deployment.description import Description
from pipeline.deployment.printing import plain, write_csv


@dataclass(frozen=True)
class Request:
    """The settings that decide the rows of the file, besides the images."""

    model: Description
    top_k: int
    least: float

    @property
    def digest(self) -> str:
        stated = [self.model.model_dump(mode="json"), self.top_k, self.least]
        return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()


def write(
    path: Path,
    request: Request,
    images: Sequence[Path],
    predict: Callable[[Sequence[Path]], Iterable[Prediction]],
) -> int:
    """Write ``path`` with the predictions of the images; return how many were there already.

    Until all are made, they are in a file beside it, which a stopped run leaves: a line of JSON for
    each image. Raises UserError if ``path`` exists, if another process writes it, or if a
    stopped run had another model, other options or other images.
    """
    if path.exists():
        raise UserError(f"--output: {path} exists; remove it, or choose another name")
    unfinished = path.with_name(f"{path.name}.unfinished")
    with _alone(unfinished), unfinished.open("a+b") as file:
        done = _done(file, unfinished, request)
        if others := sorted(done - {str(image) for image in images}):
            raise UserError(
                f"{unfinished} was left by a run over other images, such as {others[0]}; finish "
                "it with those, or remove it"
            )
        for each in predict([image for image in images if str(image) not in done]):
            file.write(f"{json.dumps(plain(each, request.least))}\n".encode())
            file.flush()
        with (
            replacing(path) as temporary,
            temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as out,
        ):
            write_csv(_rows(file), out)
        unfinished.unlink()
    return len(done)


@contextmanager
def _alone(unfinished: Path) -> Iterator[None]:
    lock = FileLock(f"{unfinished}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"--output: another process is writing {unfinished}") from None
    except OSError as error:
        raise UserError(f"--output: {unfinished.parent}: {error.strerror}") from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _done(file: IO[bytes], name: Path, request: Request) -> set[str]:
    """Return the paths that a stopped run finished; cut off half a line; begin an empty file."""
    file.seek(0)
    data = file.read()
    whole = data.rfind(b"\n") + 1
    file.truncate(whole)
    if not whole:
        file.write(f"{json.dumps({'request': request.digest})}\n".encode())
        return set()
    try:
        first, *rows = [json.loads(line) for line in data[:whole].splitlines()]
        paths = {row["path"] for row in rows}
        same = first["request"] == request.digest
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{name} is damaged; remove it to begin again") from None
    if not same:
        raise UserError(
            f"{name} was left by another model or other options; finish it with those, or remove it"
        )
    return paths


def _rows(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    file.seek(0)
    next(file)
    for line in file:
        yield json.loads(line)
