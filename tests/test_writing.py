"""`ph.writing`: what fails is kept, nothing is written twice, and no line is half written."""

import errno
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

import phantom_core as ph

FULL = OSError(errno.ENOSPC, "No space left on device")


class Disk:
    """Notes what is written; raises while it is told to."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.error: BaseException | None = None
        self.queue = ph.writing.RetryQueue(self.write, name="diary")

    def write(self, item: int) -> None:
        if self.error is not None:
            raise self.error
        self.written.append(item)

    def fail(self, items: range, error: BaseException = FULL) -> None:
        """Write items while writing fails."""
        self.error = error
        for item in items:
            with pytest.raises(type(error)):
                self.queue.write(item)
        self.error = None


def test_what_failed_is_written_first_next_time_in_order_and_once() -> None:
    disk = Disk()
    disk.queue.write(0)
    disk.fail(range(1, 4))
    disk.queue.write(4)
    disk.queue.write(5)
    assert disk.written == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt()])
def test_what_failed_is_written_when_the_queue_is_closed(error: BaseException) -> None:
    disk = Disk()
    disk.fail(range(3), error)
    with disk.queue.closing():
        assert disk.written == [0, 1, 2]
    assert disk.written == [0, 1, 2]


@pytest.mark.parametrize(("count", "text"), [(1, "1 event was"), (3, "3 events were")])
def test_a_queue_that_cannot_be_emptied_says_how_much_is_lost(count: int, text: str) -> None:
    disk, ran = Disk(), []
    disk.fail(range(count))
    disk.error = FULL
    with pytest.raises(ph.errors.HookError) as caught, disk.queue.closing():
        raise fails_too(ran)
    assert str(caught.value) == f"{text} not written: OSError: [Errno 28] No space left on device."
    assert (caught.value.plugin, ran) == ("diary", ["the block"])
    disk.error = None
    with disk.queue.closing():
        assert disk.written == []  # told once, and gone


def fails_too(ran: list[str]) -> RuntimeError:
    ran.append("the block")
    return RuntimeError("the block fails too")


def test_ctrl_c_while_a_queue_is_emptied_is_raised_after_the_block() -> None:
    disk, ran = Disk(), []
    disk.fail(range(2))
    disk.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt), disk.queue.closing():
        ran.append("the block")
    assert ran == ["the block"]


def test_what_the_block_raises_is_raised_if_nothing_is_lost() -> None:
    with pytest.raises(RuntimeError, match="the block"), Disk().queue.closing():
        raise RuntimeError("the block")


@pytest.mark.parametrize(("too_many", "text"), [(1, "event"), (1_500, "1,500 events")])
def test_a_long_failure_loses_the_oldest_and_one_warning_says_how_many(
    too_many: int, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk()
    count = ph.writing.MAX_KEPT - 1 + too_many
    disk.fail(range(count))
    with caplog.at_level(logging.WARNING, "phantom_core"):
        disk.queue.write(count)
        disk.queue.write(count + 1)
    assert disk.written == list(range(too_many, count + 2))
    assert caplog.messages == [
        f"Logger 'diary' lost the oldest {text}: it keeps 10,000 at most while it cannot write."
    ]


def test_what_a_long_failure_lost_is_counted_at_the_end_too() -> None:
    disk = Disk()
    disk.fail(range(ph.writing.MAX_KEPT + 500))
    disk.error = FULL
    with (
        pytest.raises(ph.errors.HookError, match=r"^10,500 events were not written: OSError"),
        disk.queue.closing(),
    ):
        pass


@pytest.mark.parametrize("error", [TypeError("no number"), ValueError("no name")])
def test_an_item_that_is_wrong_does_not_block_the_others(error: Exception) -> None:
    disk = Disk()
    disk.fail(range(1), error)
    disk.queue.write(1)
    assert disk.written == [1]


def test_append_creates_a_file_and_continues_it(tmp_path: Path) -> None:
    for content in (b"", b"one\n", b"two\n"):
        ph.writing.append(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("room", [0, 1, 3])
def test_append_writes_all_or_nothing_on_a_full_disk(
    tmp_path: Path, size_limit: Callable[[int | None], None], room: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\n")
    size_limit(4 + room)
    with pytest.raises(OSError, match="File too large"):
        ph.writing.append(path, b"two\n")
    size_limit(None)
    assert path.read_bytes() == b"one\n"
    ph.writing.append(path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_append_to_a_device_that_is_full_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        ph.writing.append(tmp_path / "file", b"one\n")


def test_what_was_appended_after_a_checkpoint_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\n")
    ph.writing.cut_back(path, 4)
    assert path.read_bytes() == b"one\n"


def test_a_file_that_is_shorter_or_missing_is_left_alone_and_a_warning_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one\n")
    ph.writing.cut_back(path, 8)
    assert path.read_bytes() == b"one\n"
    path.unlink()
    ph.writing.cut_back(path, 1_234)
    assert not path.exists()
    assert caplog.messages == [
        f"{path} has {count} bytes that it had when the checkpoint was written. What is missing stays "
        "missing; the run goes on."
        for count in ("4 of the 8", "0 of the 1,234")
    ]


@pytest.mark.parametrize(("content", "left"), [(b"one\ntw", b"one\n"), (b"one\n", b"one\n"), (b"on", b"")])
def test_a_line_that_was_cut_off_is_removed(tmp_path: Path, content: bytes, left: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    ph.writing.drop_broken_line(path)
    assert path.read_bytes() == left


def test_one_at_a_time_has_a_folder(tmp_path: Path) -> None:
    with ph.writing.locked(tmp_path):
        with pytest.raises(BlockingIOError), ph.writing.locked(tmp_path):
            pass
        with ph.writing.locked(tmp_path.parent):
            pass
    with ph.writing.locked(tmp_path):
        pass
