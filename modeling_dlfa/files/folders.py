"""Folders that commands write into: one command at a time, and new ones whole or not at all."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import InputError

LOCK, HOLDER = ".dlfa.lock", ".dlfa.lock.txt"
# Seconds to wait for a lock: the data loading processes of a killed command keep it for up to five.
PATIENCE = 6.0
_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


def named_folder(name: str | os.PathLike, option: str = "--output_dir") -> Path:
    """Returns the folder that a user named.

    Args:
        name: The name.
        option: Where it was given.

    Raises:
        InputError: It is empty, which would mean the working directory, or the name of a file.
    """
    if not os.fspath(name).strip():
        raise InputError(f"{option} is empty. Name a directory; the working directory is '.'.")
    path = Path(name)
    if os.path.exists(path) and not os.path.isdir(path):
        raise InputError(f"{option} {path} is a file. Name a directory.")
    return path


def named_file(name: str, option: str) -> Path:
    """Returns the file that a user named, before the work whose result it will hold.

    Raises:
        InputError: The name is empty, or that of a folder.
    """
    if not name.strip() or os.path.isdir(name):
        raise InputError(f"{option} {name!r} is not the name of a file. Name one.")
    return Path(name)


def free_file(
    name: str,
    option: str,
    *,
    overwrite: bool,
    inputs: Iterable[str | os.PathLike] = (),
    outputs: Iterable[str | os.PathLike] = (),
) -> Path:
    """Returns the file that a user named, if writing it loses nothing of the user's.

    Args:
        name: The name.
        option: Where it was given.
        overwrite: Whether a file of that name may be replaced.
        inputs: Files and folders that the command reads, none of which is ever replaced; names without one there are
            passed over.
        outputs: What else the command writes.

    Raises:
        InputError: See `named_file`; or it exists and is not to be replaced, is one of the inputs or lies in one, is
            another of the outputs, or its folder cannot be written.
    """
    path = named_file(name, option)
    if path.expanduser().resolve() in {Path(entry).expanduser().resolve() for entry in outputs}:
        raise InputError(f"{option} {path} is also another output of this command. Name two files.")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise InputError(f"{option} {path}: {above} is a file. Name another file.")
    try:
        tempfile.TemporaryFile(dir=above).close()  # Rights alone do not tell: a file system may be read-only.
    except OSError as error:
        raise InputError(
            f"{option} {path}: {above} cannot be written: {error.strerror or error}. Name a file in another folder."
        ) from error
    if not path.exists():
        return path
    for given in (Path(entry).expanduser() for entry in inputs):
        if given.exists() and path.samefile(given):
            raise InputError(f"{option} {path} is the input, which it would replace. Name another file.")
        if given.is_dir() and given.resolve() in path.resolve().parents:
            raise InputError(f"{option} {path} is a file of the input {given}. Name another file.")
    if not overwrite:
        raise InputError(f"{option} {path} exists. Name another file, or replace it with --overwrite.")
    return path


@contextlib.contextmanager
def locked(folder: Path, option: str = "--output_dir") -> Iterator[None]:
    """Locks a folder for one command: another that wants to write there is refused.

    The folder is made where it is absent, which also shows whether it can be written; if nothing was written, it is
    gone in the end. The lock is the operating system's, so that it ends with the process, however that ends.

    Args:
        folder: The folder.
        option: Where it was named.

    Raises:
        InputError: Another process holds it, or it cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_made(folder))
            lock = _acquire(folder, option)
            if lock is not None:
                stack.callback(_release, lock)
            stack.callback(_remove, folder / HOLDER)
            holder = f"process {os.getpid()} on {socket.gethostname()}, since {datetime.datetime.now():%Y-%m-%d %H:%M}"
            (folder / HOLDER).write_text(holder, encoding="utf-8", newline="\n")
        except InputError:
            raise
        except (OSError, ValueError) as error:
            raise _unwritable(option, folder, error) from error
        yield


def _acquire(folder: Path, option: str) -> FileLock | None:
    """Takes the lock; None, with a warning, on a file system that has none."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=PATIENCE)
        while not (folder / LOCK).exists():  # Its last holder removed the file before the lock was ours.
            lock.release()
            lock.acquire(timeout=PATIENCE)
    except Timeout:
        try:
            holder = (folder / HOLDER).read_text(encoding="utf-8")
        except OSError:
            holder = "another process"
        raise InputError(
            f"{option} {folder} is in use by {holder}. Wait until it has ended, or name another directory."
        ) from None
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        warnings.warn(f"{folder} lies on a file system without locks: start no second command that writes there.")
        return None
    return lock


def _release(lock: FileLock) -> None:
    path = Path(lock.lock_file)
    _remove(path)  # Before the lock is released: afterwards the file could belong to another process.
    lock.release()
    if os.name == "nt":  # Windows does not remove open files, so another process's lock is safe.
        _remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Makes a folder and its parents; those that are empty at the end are removed again."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        with contextlib.suppress(OSError):
            for path in made:
                path.rmdir()


def _unwritable(option: str, folder: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(f"{option} {folder} cannot be written: {reason}. Name a directory that can be written.")


def check_new_folder(path: Path) -> None:
    """Refuses to write into a folder that holds something.

    Raises:
        InputError: It does, or it is a file.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} exists and is not empty. Name another folder.")


@contextlib.contextmanager
def draft_folder(parent: Path | None = None) -> Iterator[Path]:
    """An empty folder that is removed at the end unless it was moved, so that its content appears whole or not at all.

    Args:
        parent: Where it lies; beside the target, so that it can be moved there. The system's place if None.
    """
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=parent) as enclosing:
        folder = Path(enclosing, "draft")  # Other users cannot read the enclosing folder, but may read the draft.
        folder.mkdir()
        yield folder


@contextlib.contextmanager
def new_folder(target: Path, option: str) -> Iterator[Path]:
    """A folder to fill that then takes the place of `target`, whole or not at all.

    Args:
        target: A folder that does not exist or is empty.
        option: Where it was named.

    Raises:
        InputError: It is not empty, before or after, or cannot be made.
    """
    check_new_folder(target)
    place = Path(os.path.realpath(target))  # A link's target can be replaced, the link itself cannot.
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_made(place.parent))
            draft = stack.enter_context(draft_folder(place.parent))
        except OSError as error:
            raise _unwritable(option, target, error) from error
        yield draft
        check_new_folder(place)
        if place.exists():
            place.rmdir()  # Windows does not replace folders, not even empty ones.
        os.rename(draft, place)


def check_space(folder: Path, wanted: int, what: str, remedy: str, freed: int = 0) -> None:
    """Refuses work for which the disk is too full.

    Args:
        folder: Where it will be written.
        wanted: Bytes that it takes.
        what: What takes them.
        remedy: What to do about it.
        freed: Bytes that will be removed there.

    Raises:
        InputError: There are fewer.
    """
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free + freed
    if wanted > free:
        raise InputError(f"{folder} has {size(free)} left, but {what} take {size(wanted)}. {remedy}")


def size(count: int) -> str:
    """Returns a number of bytes as one would say it, in MB or GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
